// Whether a schema is structural: every field has one type that can be told without looking at values, so that objects can be pruned and
// defaulted. Worded as https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/validation.go does.

import { compileRules } from "../cel/schema-rules.ts";
import type { JsonSchema } from "../custom-resource-definition.ts";
import {
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  type FieldError,
} from "../schema/field-error.ts";
import { toRegExp } from "../schema/go-regexp.ts";
import { problemOf } from "../schema/problem-of.ts";
import { prune } from "../schema/prune.ts";
import { compileValidator } from "../schema/schema-validator.ts";

type Level = "root" | "field" | "item" | "value";

const emptyType: Readonly<Record<Exclude<Level, "root">, string>> = {
  field: "must not be empty for specified object fields",
  item: "must not be empty for specified array items",
  value: "must not be empty for specified object values",
};

const types: readonly string[] = ["array", "boolean", "integer", "number", "object", "string"];

export function validateSchema(schema: JsonSchema, path: string): FieldError[] {
  const errors = checkNode(schema, path, "root");
  // Rules are read with the types of the schema: only a structural one has them.
  return errors.length > 0 ? errors : [...(compileRules(schema, path)?.errors ?? [])];
}

function checkNode(schema: JsonSchema, path: string, level: Level): FieldError[] {
  return [
    ...checkTypes(schema, path, level),
    ...checkForbidden(schema, path),
    ...checkExtensions(schema, path, level),
    ...checkList(schema, path),
    ...checkPattern(schema, path),
    ...checkDefault(schema, path, level),
    ...checkJunctors(schema, path),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
      const at = `${path}.properties[${name}]`;
      const isMeta = name === "metadata" && (level === "root" || schema["x-kubernetes-embedded-resource"] === true);
      return isMeta ? checkMeta(child, at) : checkNode(child, at, "field");
    }),
    ...(schema.items === undefined ? [] : checkNode(schema.items, `${path}.items`, "item")),
    ...(typeof schema.additionalProperties === "object"
      ? checkNode(schema.additionalProperties, `${path}.additionalProperties`, "value")
      : []),
  ];
}

function checkTypes(schema: JsonSchema, path: string, level: Level): FieldError[] {
  const { type = "" } = schema;
  const field = `${path}.type`;
  if (level === "root") {
    if (type === "") return [required(field, "must not be empty at the root")];
    return type === "object" ? [] : [invalidValue(field, type, "must be object at the root")];
  }
  if (schema["x-kubernetes-int-or-string"] === true) {
    if (type === "") return [];
    return [invalidValue(field, type, "must be empty if x-kubernetes-int-or-string is true")];
  }
  if (type === "")
    return schema["x-kubernetes-preserve-unknown-fields"] === true ? [] : [required(field, emptyType[level])];
  return types.includes(type) ? [] : [notSupported(field, type, types)];
}

/** What no CustomResourceDefinition may use. */
function checkForbidden(schema: JsonSchema, path: string): FieldError[] {
  const has = (keyword: string): boolean => Object.hasOwn(schema, keyword);
  const unsupported = ["$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id", "$schema"];
  return [
    ...unsupported.filter(has).map((keyword) => forbiddenField(`${path}.${keyword}`, `${keyword} is not supported`)),
    ...(schema.uniqueItems === true
      ? [
          forbiddenField(
            `${path}.uniqueItems`,
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
          ),
        ]
      : []),
    ...(schema.additionalProperties === false
      ? [forbiddenField(`${path}.additionalProperties`, "additionalProperties cannot be set to false")]
      : []),
    ...(schema.properties !== undefined && typeof schema.additionalProperties === "object"
      ? [forbiddenField(`${path}.additionalProperties`, "additionalProperties and properties are mutual exclusive")]
      : []),
    ...(schema.type === "array" && schema.items === undefined && !keepsUnknown(schema)
      ? [required(`${path}.items`, "must be specified")]
      : []),
  ];
}

function keepsUnknown(schema: JsonSchema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true;
}

function checkExtensions(schema: JsonSchema, path: string, level: Level): FieldError[] {
  const errors: FieldError[] = [];
  if (Object.hasOwn(schema, "x-kubernetes-preserve-unknown-fields") && !keepsUnknown(schema))
    errors.push(invalidValue(`${path}.x-kubernetes-preserve-unknown-fields`, false, "must be true or undefined"));
  if (schema["x-kubernetes-embedded-resource"] === true) {
    if (level === "root")
      errors.push(forbiddenField(`${path}.x-kubernetes-embedded-resource`, "must not be used at the root"));
    if (schema.type !== "object")
      errors.push(
        invalidValue(`${path}.type`, schema.type ?? "", "must be object if x-kubernetes-embedded-resource is true"),
      );
    if (schema.additionalProperties !== undefined)
      errors.push(
        forbiddenField(`${path}.additionalProperties`, "must not be used if x-kubernetes-embedded-resource is set"),
      );
    if (!keepsUnknown(schema) && Object.keys(schema.properties ?? {}).length === 0)
      errors.push(
        required(
          `${path}.properties`,
          "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
      );
  }
  const mapType = schema["x-kubernetes-map-type"];
  if (mapType !== undefined) {
    if (!["atomic", "granular"].includes(mapType))
      errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ["atomic", "granular"]));
    if (schema.type !== "object")
      errors.push(
        invalidValue(`${path}.type`, schema.type ?? "", "must be object if x-kubernetes-map-type is specified"),
      );
  }
  return errors;
}

function checkList(schema: JsonSchema, path: string): FieldError[] {
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const { items } = schema;
  const errors: FieldError[] = [];
  if (listType !== undefined && !["atomic", "set", "map"].includes(listType))
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ["atomic", "set", "map"]));
  if (listType !== undefined && schema.type !== "array")
    errors.push(
      invalidValue(`${path}.type`, schema.type ?? "", "must be array if x-kubernetes-list-type is specified"),
    );
  if (listType === "set" && items !== undefined) {
    if (items.nullable === true)
      errors.push(forbiddenField(`${path}.items.nullable`, "cannot be nullable when x-kubernetes-list-type is set"));
    if (!isAtomic(items))
      errors.push(
        invalidValue(
          `${path}.items.x-kubernetes-${items.type === "array" ? "list" : "map"}-type`,
          items[items.type === "array" ? "x-kubernetes-list-type" : "x-kubernetes-map-type"] ?? null,
          "must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
      );
  }
  if (listType !== "map") {
    if (keys.length > 0)
      errors.push(
        forbiddenField(
          `${path}.x-kubernetes-list-map-keys`,
          "must not be specified if x-kubernetes-list-type is not map",
        ),
      );
    return errors;
  }
  if (keys.length === 0)
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, "must not be empty if x-kubernetes-list-type is map"));
  if (items !== undefined && items.type !== "object")
    errors.push(
      invalidValue(
        `${path}.items.type`,
        items.type ?? "",
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    );
  keys.forEach((key, index) => {
    const property = items?.properties?.[key];
    if (keys.indexOf(key) !== index) errors.push(duplicate(`${path}.x-kubernetes-list-map-keys[${index}]`, key));
    if (property === undefined) {
      errors.push(
        invalidValue(
          `${path}.x-kubernetes-list-map-keys[${index}]`,
          key,
          "entries must all be names of item properties",
        ),
      );
      return;
    }
    if (property.type === "array" || property.type === "object")
      errors.push(
        invalidValue(
          `${path}.items.properties[${key}].type`,
          property.type,
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
      );
    if (property.default === undefined && items?.required?.includes(key) !== true)
      errors.push(
        required(
          `${path}.items.properties[${key}].default`,
          "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
      );
  });
  return errors;
}

function isAtomic(items: JsonSchema): boolean {
  if (items.type === "array") return (items["x-kubernetes-list-type"] ?? "atomic") === "atomic";
  return items.type !== "object" || items["x-kubernetes-map-type"] === "atomic";
}

function checkPattern({ pattern }: JsonSchema, path: string): FieldError[] {
  const problem = pattern === undefined ? undefined : problemOf(() => toRegExp(pattern));
  if (problem === undefined) return [];
  return [invalidValue(`${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${problem}`)];
}

function checkDefault(schema: JsonSchema, path: string, level: Level): FieldError[] {
  const value = schema.default;
  if (value === undefined) return [];
  const field = `${path}.default`;
  if (level === "root") return [forbiddenField(field, "must not be set at the root")];
  if (isPlainlyValid(value, schema)) return [];
  const unknown = prune(structuredClone(value), schema);
  if (unknown.length > 0) return [invalidValue(field, value, `must not have unknown fields: ${unknown.join(", ")}`)];
  try {
    const [error] = compileValidator(schema, { rootName: "default" })(value);
    return error === undefined ? [] : [{ ...error, field }];
  } catch {
    // What is wrong with the schema is told at its own place.
    return [];
  }
}

const plainKeywords: ReadonlySet<string> = new Set([
  "type",
  "description",
  "title",
  "default",
  "enum",
  "minimum",
  "maximum",
]);

/** Most defaults are scalars, for which a validator need not be compiled. */
function isPlainlyValid(value: unknown, schema: JsonSchema): boolean {
  const { type, minimum = -Infinity, maximum = Infinity } = schema;
  if (Object.keys(schema).some((keyword) => !plainKeywords.has(keyword))) return false;
  if (schema.enum?.includes(value) === false) return false;
  if (type === "integer" || type === "number")
    return (
      typeof value === "number" &&
      (type === "number" || Number.isInteger(value)) &&
      value >= minimum &&
      value <= maximum
    );
  return (type === "string" || type === "boolean") && typeof value === type;
}

const structuralOnly = [
  "type",
  "description",
  "default",
  "nullable",
  "additionalProperties",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-validations",
] as const;

/** Within allOf, anyOf, oneOf and not there are only conditions on fields that are declared outside. */
function checkJunctors(schema: JsonSchema, path: string): FieldError[] {
  const isPair = schema["x-kubernetes-int-or-string"] === true;
  return junctorsOf(schema, path).flatMap((junctor) => checkCondition(junctor.schema, schema, { ...junctor, isPair }));
}

function junctorsOf(schema: JsonSchema, path: string): { schema: JsonSchema; path: string }[] {
  const lists = (["allOf", "anyOf", "oneOf"] as const).flatMap((keyword) =>
    (schema[keyword] ?? []).map((each, index) => ({ schema: each, path: `${path}.${keyword}[${index}]` })),
  );
  return schema.not === undefined ? lists : [...lists, { schema: schema.not, path: `${path}.not` }];
}

function checkCondition(
  condition: JsonSchema,
  structure: JsonSchema | undefined,
  { path, isPair }: { readonly path: string; readonly isPair: boolean },
): FieldError[] {
  // `anyOf: [integer, string]` is how int-or-string is written.
  const forbidden = structuralOnly.filter(
    (keyword) => Object.hasOwn(condition, keyword) && !(isPair && keyword === "type"),
  );
  return [
    ...forbidden.map((keyword) => forbiddenField(`${path}.${keyword}`, "must be empty to be structural")),
    ...checkPattern(condition, path),
    ...Object.entries(condition.properties ?? {}).flatMap(([name, child]) => {
      const at = `${path}.properties[${name}]`;
      const declared =
        structure?.properties?.[name] ??
        (typeof structure?.additionalProperties === "object" ? structure.additionalProperties : undefined);
      if (declared === undefined && structure !== undefined && !keepsUnknown(structure))
        return [required(at.replaceAll(/\.(?:(?:all|any|one)Of\[\d+\]|not)/g, ""), `because it is defined in ${at}`)];
      return checkCondition(child, declared, { path: at, isPair: false });
    }),
    ...(condition.items === undefined
      ? []
      : checkCondition(condition.items, structure?.items, { path: `${path}.items`, isPair: false })),
    ...junctorsOf(condition, path).flatMap((junctor) =>
      checkCondition(junctor.schema, structure, { path: junctor.path, isPair }),
    ),
  ];
}

/** The server describes metadata itself; a definition may only narrow the name. */
function checkMeta(schema: JsonSchema, path: string): FieldError[] {
  const extra = Object.keys(schema.properties ?? {}).filter((name) => name !== "name" && name !== "generateName");
  const errors = schema.type === "object" ? [] : [invalidValue(`${path}.type`, schema.type ?? "", "must be object")];
  if (extra.length === 0) return errors;
  return [
    ...errors,
    forbiddenField(
      `${path}.properties`,
      "must not specify anything other than name and generateName, but metadata is implicitly specified",
    ),
  ];
}
