// All x-kubernetes-validations of a schema: compiled once, evaluated for every object that the rest of the schema allows.

import { isDeepStrictEqual } from "node:util";
import type { Environment } from "@marcbachmann/cel-js";
import type { JsonSchema, ValidationRule } from "../custom-resource-definition.ts";
import { duplicate, forbiddenField, required, type FieldError } from "../schema/field-error.ts";
import { formatPath } from "../schema/field-path.ts";
import { counterpartOf } from "../schema/unchanged-parts.ts";
import { newEnvironment } from "./base-environment.ts";
import { compileRule, type CompiledRule } from "./compile-rule.ts";
import { parseFieldPath } from "./field-path.ts";
import { maxSize } from "./rule-cost.ts";
import { SchemaTypes } from "./schema-types.ts";

/** Every rule that the object breaks. `old`: what is stored now; rules about a part that stays as it is are not asked again. */
export type RuleValidator = (object: unknown, old?: unknown) => FieldError[];

/** What evaluation of all rules of one object may take; the rest is not evaluated. */
const maxEvaluationMs = 2000;

interface Run {
  readonly errors: FieldError[];
  readonly deadline: number;
  isOver: boolean;
}

interface Visit {
  readonly value: unknown;
  readonly old: unknown;
  readonly path: readonly string[];
}

/** Evaluates the rules at one place and below it. */
type Evaluate = (visit: Visit, run: Run) => void;

/** Undefined when the schema has no rules. `path`: where the schema is defined, for the errors of its rules. */
export function compileRules(
  schema: JsonSchema,
  path = "",
): { readonly errors: readonly FieldError[]; readonly validate: RuleValidator } | undefined {
  if (!hasRules(schema)) return undefined;
  const compiler = new RuleCompiler();
  const withMeta = { ...schema, properties: { ...rootFields, ...schema.properties, metadata: nameOnly } };
  compiler.declare(withMeta);
  const evaluate = compiler.compile(withMeta, { path, cardinality: 1, isCorrelatable: true });
  return {
    errors: compiler.errors,
    validate(object, old) {
      const run: Run = { errors: [], deadline: performance.now() + maxEvaluationMs, isOver: false };
      evaluate?.({ value: object, old, path: [] }, run);
      return run.errors;
    },
  };
}

const string: JsonSchema = { type: "string", maxLength: 253 };
const rootFields: Readonly<Record<string, JsonSchema>> = { apiVersion: string, kind: string };
/** All that rules see of metadata. */
const nameOnly: JsonSchema = { type: "object", properties: { name: string, generateName: string } };

function hasRules(schema: JsonSchema): boolean {
  return (
    (schema["x-kubernetes-validations"] ?? []).length > 0 ||
    Object.values(schema.properties ?? {}).some(hasRules) ||
    (schema.items !== undefined && hasRules(schema.items)) ||
    (typeof schema.additionalProperties === "object" && hasRules(schema.additionalProperties))
  );
}

interface Place {
  readonly path: string;
  readonly cardinality: number;
  readonly isCorrelatable: boolean;
}

class RuleCompiler {
  readonly errors: FieldError[] = [];
  readonly #environment: Environment = newEnvironment();
  readonly #types = new SchemaTypes(this.#environment);

  /** All types must be known before the first rule is compiled. */
  declare(schema: JsonSchema): void {
    this.#types.of(schema);
  }

  /** Undefined when there are no rules here and below. */
  compile(schema: JsonSchema, place: Place): Evaluate | undefined {
    const parts = [
      this.#rules(schema, place),
      this.#properties(schema, place),
      this.#items(schema, place),
      this.#values(schema, place),
    ].filter((each) => each !== undefined);
    if (parts.length <= 1) return parts[0];
    return (visit, run) => {
      for (const part of parts) part(visit, run);
    };
  }

  #rules(schema: JsonSchema, place: Place): Evaluate | undefined {
    const rules = schema["x-kubernetes-validations"] ?? [];
    const type = this.#types.of(schema);
    if (rules.length === 0 || type === undefined) return undefined;
    const compiled = rules.flatMap((rule, index) => {
      const path = `${place.path}.x-kubernetes-validations[${index}]`;
      const result = compileRule(rule, {
        ...place,
        schema,
        path,
        environment: this.#environment,
        typeName: type.name,
      });
      this.errors.push(...result.errors);
      return result.compiled === undefined ? [] : [result.compiled];
    });
    return ({ value, old, path }, run) => {
      // A value that may be null has nothing to check while it is.
      if (value === null || value === undefined) return;
      const isSame = old !== undefined && isDeepStrictEqual(value, old);
      const asked = compiled.filter((each) => each.isTransition || !isSame);
      if (asked.length === 0) return;
      const self = type.convert(value);
      const oldSelf = old === undefined || old === null ? undefined : type.convert(old);
      for (const each of asked) evaluateOne(each, { schema, self, oldSelf, path }, run);
    };
  }

  #properties(schema: JsonSchema, place: Place): Evaluate | undefined {
    const children = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
      const evaluate = this.compile(child, { ...place, path: `${place.path}.properties[${name}]` });
      return evaluate === undefined ? [] : [{ name, evaluate }];
    });
    if (children.length === 0) return undefined;
    return ({ value, old, path }, run) => {
      for (const { name, evaluate } of children) {
        const child = fieldOf(value, name);
        if (child !== undefined) evaluate({ value: child, old: fieldOf(old, name), path: [...path, name] }, run);
      }
    };
  }

  #items(schema: JsonSchema, place: Place): Evaluate | undefined {
    const { items } = schema;
    if (items === undefined) return undefined;
    const isKeyed = schema["x-kubernetes-list-type"] === "map";
    const evaluate = this.compile(items, {
      path: `${place.path}.items`,
      cardinality: place.cardinality * maxSize(schema),
      isCorrelatable: place.isCorrelatable && isKeyed,
    });
    if (evaluate === undefined) return undefined;
    return ({ value, old, path }, run) => {
      if (!Array.isArray(value)) return;
      value.forEach((item: unknown, index) => {
        evaluate({ value: item, old: counterpartOf(item, old, schema), path: [...path, String(index)] }, run);
      });
    };
  }

  #values(schema: JsonSchema, place: Place): Evaluate | undefined {
    const values = schema.additionalProperties;
    if (typeof values !== "object") return undefined;
    const evaluate = this.compile(values, {
      ...place,
      path: `${place.path}.additionalProperties`,
      cardinality: place.cardinality * maxSize(schema),
    });
    if (evaluate === undefined) return undefined;
    return ({ value, old, path }, run) => {
      if (typeof value !== "object" || value === null) return;
      for (const [name, child] of Object.entries(value))
        evaluate({ value: child, old: fieldOf(old, name), path: [...path, name] }, run);
    };
  }
}

function evaluateOne(
  compiled: CompiledRule,
  {
    schema,
    self,
    oldSelf,
    path,
  }: {
    readonly schema: JsonSchema;
    readonly self: unknown;
    readonly oldSelf: unknown;
    readonly path: readonly string[];
  },
  run: Run,
): void {
  if (run.isOver) return;
  if (performance.now() > run.deadline) {
    run.isOver = true;
    const why = "validation failed due to running out of cost budget, no further validation rules will be run";
    run.errors.push(forbiddenField(formatPath(path), why));
    return;
  }
  const { rule } = compiled;
  const failure = compiled.evaluate(self, oldSelf);
  if (failure === undefined) return;
  const below = rule.fieldPath === undefined ? [] : (parseFieldPath(rule.fieldPath, schema) ?? []);
  run.errors.push(toError(rule, { field: formatPath([...path, ...below]), type: schema.type ?? "", why: failure.why }));
}

/** The value is told by its type only, as kube-apiserver does. */
function toError(
  rule: ValidationRule,
  { field, type, why }: { readonly field: string; readonly type: string; readonly why: string },
): FieldError {
  switch (rule.reason) {
    case "FieldValueForbidden":
      return forbiddenField(field, why);
    case "FieldValueRequired":
      return required(field, why);
    case "FieldValueDuplicate":
      return duplicate(field, type);
    default:
      return { reason: "FieldValueInvalid", field, message: `Invalid value: ${JSON.stringify(type)}: ${why}` };
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
