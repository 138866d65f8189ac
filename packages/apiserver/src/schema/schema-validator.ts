// Validates objects against a structural schema with Ajv, and words what is wrong as kube-apiserver does.

import { Ajv, type ErrorObject } from "ajv";
import addFormats from "ajv-formats";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";
import { invalidValue, notSupported, required, tooLong, tooMany, wrongType, type FieldError } from "./field-error.ts";
import { formatPath } from "./field-path.ts";
import { isGoDuration } from "./go-duration.ts";
import { toRegExp } from "./go-regexp.ts";
import { isCidr } from "./ip-address.ts";
import { compileListKeys } from "./list-keys.ts";
import { isUnchangedAt } from "./unchanged-parts.ts";

/**
 * Every error of the object; empty when it is valid. With `old`, what is stored now, errors in parts that stay as they are do not
 * count: a schema that has become stricter must not hold up changes of something else.
 */
export type SchemaValidator = (object: unknown, old?: unknown) => FieldError[];

const intOrString = "x-kubernetes-int-or-string";

/** `rootName`: what messages call a value that has no path. */
export function compileValidator(schema: JsonSchema, { rootName = "" } = {}): SchemaValidator {
  const jsonSchema = toJsonSchema(schema);
  const validate = compiler.compile(jsonSchema);
  // It would be kept for ever; definitions come and go.
  compiler.removeSchema(jsonSchema);
  const checkLists = compileListKeys(schema);
  return (object, old) => {
    const errors = validate(object)
      ? []
      : (validate.errors ?? []).flatMap((error) => {
          const at = toPath(error.instancePath);
          return toFieldErrors(error, rootName).map((each) => ({ at, error: each }));
        });
    const all = [...errors, ...checkLists(object)];
    if (all.length === 0) return [];
    const counting = old === undefined ? all : all.filter(({ at }) => !isUnchangedAt(at, { schema, object, old }));
    return unique(counting.map(({ error }) => error));
  };
}

// The code property is what Ajv would print in standalone modules, which are not made here.
const engine = Object.assign((pattern: string) => toRegExp(pattern), { code: "toRegExp" });

const compiler = newCompiler();

function newCompiler(): Ajv {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: false,
    logger: false,
    // Definitions are checked when they are written (definitions/validate-schema.ts).
    meta: false,
    validateSchema: false,
    code: { regExp: engine },
  });
  addFormats.default(ajv);
  ajv.addFormat("duration", isGoDuration);
  ajv.addFormat("byte", true);
  ajv.addFormat("password", true);
  ajv.addFormat("cidr", isCidr);
  ajv.addFormat("mac", /^(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/);
  ajv.addKeyword({
    keyword: intOrString,
    validate: (wanted: true | "nullable", value: unknown) =>
      typeof value === "string" || Number.isInteger(value) || (value === null && wanted === "nullable"),
  });
  return ajv;
}

/** What differs from plain JSON Schema: `nullable`, exclusive bounds, int-or-string in place of a type, embedded resources. */
function toJsonSchema(schema: JsonSchema): Record<string, unknown> {
  const { nullable, default: _default, description: _description, ...rest } = schema;
  const out: Record<string, unknown> = { ...rest };
  delete out["x-kubernetes-validations"];
  if (schema.properties !== undefined) out["properties"] = mapValues(schema.properties, toJsonSchema);
  if (schema.items !== undefined) out["items"] = toJsonSchema(schema.items);
  if (typeof schema.additionalProperties === "object")
    out["additionalProperties"] = toJsonSchema(schema.additionalProperties);
  else delete out["additionalProperties"]; // Unknown fields are pruned or refused before.
  for (const keyword of ["allOf", "anyOf", "oneOf"] as const)
    if (schema[keyword] !== undefined) out[keyword] = schema[keyword].map(toJsonSchema);
  if (schema.not !== undefined) out["not"] = toJsonSchema(schema.not);
  takeExclusive(out, "minimum", "exclusiveMinimum");
  takeExclusive(out, "maximum", "exclusiveMaximum");
  if (schema[intOrString] === true) {
    delete out["type"];
    // Its usual companion `anyOf: [integer, string]` would say the same error three times.
    if (isIntOrStringPair(schema.anyOf)) delete out["anyOf"];
  }
  if (schema["x-kubernetes-embedded-resource"] === true) embed(out);
  if (nullable !== true) return out;
  if (out["type"] !== undefined) out["type"] = [out["type"], "null"];
  if (schema.enum !== undefined) out["enum"] = [...schema.enum, null];
  if (schema[intOrString] === true) out[intOrString] = "nullable";
  return out;
}

/** OpenAPI 3.0 has a flag beside the bound. */
function takeExclusive(
  out: Record<string, unknown>,
  bound: "minimum" | "maximum",
  flag: "exclusiveMinimum" | "exclusiveMaximum",
): void {
  if (typeof out[flag] !== "boolean") return;
  const isExclusive = out[flag];
  delete out[flag];
  if (!isExclusive || out[bound] === undefined) return;
  out[flag] = out[bound];
  delete out[bound];
}

function embed(out: Record<string, unknown>): void {
  const name: JsonSchema = { type: "string", minLength: 1 };
  out["properties"] = {
    ...(out["properties"] as object | undefined),
    apiVersion: name,
    kind: name,
    metadata: toJsonSchema(metaSchema),
  };
  out["required"] = [...new Set(["apiVersion", "kind", ...((out["required"] as string[] | undefined) ?? [])])];
}

function isIntOrStringPair(schemas: readonly JsonSchema[] | undefined): boolean {
  return (
    schemas?.length === 2 && schemas.every((each) => Object.keys(each).length === 1) && schemas[0]?.type !== undefined
  );
}

function toFieldErrors(error: ErrorObject, rootName: string): FieldError[] {
  const field = formatPath(toPath(error.instancePath)) || rootName;
  const value: unknown = error.data;
  const params = error.params as Record<string, unknown>;
  const says = (why: string): FieldError[] => [invalidValue(field, value, `${field} in body ${why}`)];
  switch (error.keyword) {
    case "required":
      return [required(join(field, String(params["missingProperty"])))];
    case "type":
      return [
        wrongType(
          field,
          value,
          [params["type"]]
            .flat()
            .filter((type) => type !== "null")
            .join(","),
        ),
      ];
    case intOrString:
      return [wrongType(field, value, "integer,string")];
    case "enum":
      return [
        notSupported(
          field,
          value,
          (params["allowedValues"] as unknown[]).filter((each) => each !== null),
        ),
      ];
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      return says(`should be ${comparisons[String(params["comparison"])] ?? "in range of"} ${String(params["limit"])}`);
    case "multipleOf":
      return says(`should be a multiple of ${String(params["multipleOf"])}`);
    case "minLength":
      return says(`should be at least ${String(params["limit"])} chars long`);
    case "maxLength":
      return [tooLong(field, Number(params["limit"]))];
    case "pattern":
      return says(`should match '${String(params["pattern"])}'`);
    case "format":
      return [
        invalidValue(
          field,
          value,
          `${field} in body must be of type ${String(params["format"])}: ${JSON.stringify(value)}`,
        ),
      ];
    case "minItems":
      return says(`should have at least ${String(params["limit"])} items`);
    case "maxItems":
      return [tooMany(field, (value as unknown[]).length, Number(params["limit"]))];
    case "uniqueItems":
      return says("shouldn't contain duplicates");
    case "minProperties":
      return says(`should have at least ${String(params["limit"])} properties`);
    case "maxProperties":
      return [tooMany(field, Object.keys(value as object).length, Number(params["limit"]))];
    case "oneOf": {
      const found = params["passingSchemas"] === null ? "none valid" : "more than one valid";
      return [invalidValue(field, "", `"${field}" must validate one and only one schema (oneOf). Found ${found}`)];
    }
    case "anyOf":
      return [invalidValue(field, "", `"${field}" must validate at least one schema (anyOf)`)];
    case "not":
      return [invalidValue(field, "", `"${field}" must not validate the schema (not)`)];
    default:
      return says(error.message ?? `does not satisfy ${error.keyword}`);
  }
}

const comparisons: Readonly<Record<string, string>> = {
  ">=": "greater than or equal to",
  "<=": "less than or equal to",
  ">": "greater than",
  "<": "less than",
};

/** The parts of `/spec/disks/0/name`; indexes stay text. */
function toPath(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function unique(errors: readonly FieldError[]): FieldError[] {
  return [...new Map(errors.map((error) => [`${error.field}\n${error.message}`, error])).values()];
}
