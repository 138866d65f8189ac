// One rule of x-kubernetes-validations, checked against the types of its schema and ready to be evaluated.

import { Optional, serialize, type Environment, type ParseResult } from "@marcbachmann/cel-js";
import type { JsonSchema, ValidationRule } from "../custom-resource-definition.ts";
import { forbiddenField, invalidValue, required, type FieldError } from "../schema/field-error.ts";
import { firstLine, problemOf } from "../schema/problem-of.ts";
import { parseFieldPath } from "./field-path.ts";
import { nodesOf, usesVariable } from "./ast.ts";
import { maxRuleCost, ruleCost } from "./rule-cost.ts";

/** Undefined: the rule holds. */
export type RuleFailure = { readonly why: string } | undefined;

export interface CompiledRule {
  readonly rule: ValidationRule;
  /** Whether it compares with the old value: then it is never forgiven. */
  readonly isTransition: boolean;
  /** `self` and `oldSelf` are values of the type; `oldSelf` is undefined where there is none. */
  evaluate(self: unknown, oldSelf: unknown): RuleFailure;
}

export interface RulePlace {
  /** With a type for `self` already registered. */
  readonly environment: Environment;
  readonly typeName: string;
  readonly schema: JsonSchema;
  /** Of the rule. */
  readonly path: string;
  /** How often the rule is evaluated in one object at most. */
  readonly cardinality: number;
  /** Whether old values can be found for new ones here: not within lists without keys. */
  readonly isCorrelatable: boolean;
}

const reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];

/** The errors of a rule that cannot be used, or the rule. */
export function compileRule(
  rule: ValidationRule,
  place: RulePlace,
): { readonly errors: readonly FieldError[]; readonly compiled?: CompiledRule } {
  const { path, schema } = place;
  const errors: FieldError[] = [];
  if ((rule.rule ?? "").trim() === "") return { errors: [required(`${path}.rule`, "rule is not specified")] };
  if (rule.message !== undefined && /[\r\n]/.test(rule.message))
    errors.push(invalidValue(`${path}.message`, rule.message, "message must not contain line breaks"));
  if (rule.reason !== undefined && !reasons.includes(rule.reason))
    errors.push(invalidValue(`${path}.reason`, rule.reason, `must be one of ${reasons.join(", ")}`));
  if (rule.fieldPath !== undefined && parseFieldPath(rule.fieldPath, schema) === undefined)
    errors.push(
      invalidValue(`${path}.fieldPath`, rule.fieldPath, "fieldPath must be a valid path to a field of the schema"),
    );
  const isOptional = rule.optionalOldSelf === true;
  const environment = place.environment
    .clone()
    .registerVariable("self", place.typeName)
    .registerVariable("oldSelf", isOptional ? `optional<${place.typeName}>` : place.typeName);
  const condition = compile(environment, rule.rule, "bool");
  if (condition.problem !== undefined)
    return { errors: [...errors, invalidValue(`${path}.rule`, rule.rule, condition.problem)] };
  const isTransition = usesVariable(condition.program.ast, "oldSelf");
  if (isTransition && !place.isCorrelatable)
    errors.push(
      invalidValue(`${path}.rule`, rule.rule, "oldSelf cannot be used on the uncorrelatable portion of the schema"),
    );
  if (isOptional && !isTransition)
    errors.push(invalidValue(`${path}.optionalOldSelf`, true, "may not be set to true unless the rule uses oldSelf"));
  const cost = ruleCost(condition.program.ast, { self: schema, oldSelf: schema }) * place.cardinality;
  if (cost > maxRuleCost) errors.push(tooExpensive(`${path}.rule`, cost));
  const message =
    rule.messageExpression === undefined ? undefined : compile(environment, rule.messageExpression, "string");
  if (message?.problem !== undefined)
    errors.push(invalidValue(`${path}.messageExpression`, rule.messageExpression, message.problem));
  if (errors.length > 0) return { errors };
  const explain = message?.program;
  return {
    errors,
    compiled: {
      rule,
      isTransition,
      evaluate(self, oldSelf) {
        if (isTransition && !isOptional && oldSelf === undefined) return undefined;
        const variables = { self, oldSelf: isOptional ? Optional.of(oldSelf) : oldSelf };
        try {
          if (condition.program(variables) === true) return undefined;
        } catch (error) {
          return { why: `${firstLine(error)} evaluating rule: ${rule.message ?? rule.rule}` };
        }
        return { why: explained(explain, variables) ?? rule.message?.trim() ?? `failed rule: ${rule.rule.trim()}` };
      },
    },
  };
}

type Compiled =
  | { readonly program: ParseResult; readonly problem?: undefined }
  | { readonly program?: undefined; readonly problem: string };

function compile(environment: Environment, text: string, wanted: "bool" | "string"): Compiled {
  let program: ParseResult;
  try {
    program = environment.parse(text);
  } catch (error) {
    return { problem: `compilation failed: ${firstLine(error)}` };
  }
  const { valid, type, error } = program.check();
  if (!valid) return { problem: `compilation failed: ${firstLine(error)}` };
  if (type !== wanted && type !== "dyn")
    return {
      problem:
        wanted === "bool" ? "cel expression must evaluate to a bool" : "messageExpression must evaluate to a string",
    };
  for (const node of nodesOf(program.ast)) {
    const problem = patternProblem(node) ?? hasProblem(environment, node);
    if (problem !== undefined) return { problem: `compilation failed: ${problem}` };
  }
  return { program };
}

/** A pattern that is written in the rule is checked with it, not when the first object comes. */
function patternProblem(node: ParseResult["ast"]): string | undefined {
  if (node.op !== "rcall" || node.args[0] !== "matches") return undefined;
  const [pattern] = node.args[2];
  if (pattern?.op !== "value" || typeof pattern.args !== "string") return undefined;
  const text = pattern.args;
  return problemOf(() => new RegExp(text));
}

/** The library takes any field in `has`. A misspelt one would make the rule mean nothing. */
function hasProblem(environment: Environment, node: ParseResult["ast"]): string | undefined {
  if (node.op !== "call" || node.args[0] !== "has") return undefined;
  const [field] = node.args[1];
  const variables = field === undefined ? [] : [...nodesOf(field)].filter((each) => each.op === "id");
  // Variables of loops have no type outside of them.
  if (field === undefined || !variables.every(({ args }) => args === "self" || args === "oldSelf")) return undefined;
  const { valid, error } = environment.check(serialize(field));
  return valid ? undefined : firstLine(error);
}

function tooExpensive(field: string, cost: number): FieldError {
  const factor = cost / maxRuleCost;
  const times = factor > 100 ? "more than 100x" : `${factor.toFixed(1)}x`;
  return forbiddenField(
    field,
    `estimated rule cost exceeds budget by factor of ${times} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`,
  );
}

/** What messageExpression says; undefined when it fails or says nothing that fits into one line. */
function explained(program: ParseResult | undefined, variables: Record<string, unknown>): string | undefined {
  if (program === undefined) return undefined;
  try {
    const text: unknown = program(variables);
    return typeof text === "string" && text.trim() !== "" && !/[\r\n]/.test(text) ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}
