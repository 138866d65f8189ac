// One policy asked about one request with one set of parameters.

import type { CompiledPolicy, CompiledValidation, PolicyVariables } from "./compile-policy.ts";
import { toDynamic, longest } from "../../cel/dynamic-value.ts";
import { firstLine } from "../../schema/problem-of.ts";

/** A condition that does not hold, or an expression that could not be evaluated. */
export interface PolicyFailure {
  readonly kind: "refused" | "failed";
  readonly message: string;
  readonly reason: CompiledValidation["reason"];
}

export interface PolicyInput {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
  readonly params: unknown;
  readonly namespaceObject: unknown;
}

/** `annotate` is told what the policy wants to have remembered of the request. */
export function evaluatePolicy(
  policy: CompiledPolicy,
  input: PolicyInput,
  annotate: (key: string, value: string) => void,
): readonly PolicyFailure[] {
  const variables = toVariables(policy, input);
  for (const { name, expression } of policy.matchConditions) {
    try {
      if (expression.evaluate(variables) !== true) return [];
    } catch (error) {
      return [failed(`matchCondition '${name}' resulted in error: ${firstLine(error)}`)];
    }
  }
  const unremembered = policy.auditAnnotations.flatMap(({ key, expression }): PolicyFailure[] => {
    try {
      const value = expression.evaluate(variables);
      if (typeof value === "string" && value !== "") annotate(key, value);
      return [];
    } catch (error) {
      return [failed(`auditAnnotation '${key}' resulted in error: ${firstLine(error)}`)];
    }
  });
  const broken = policy.validations.flatMap((validation): PolicyFailure[] => {
    const { expression, reason } = validation;
    try {
      if (expression.evaluate(variables) === true) return [];
    } catch (error) {
      return [failed(`expression '${expression.text}' resulted in error: ${firstLine(error)}`)];
    }
    return [{ kind: "refused", message: messageOf(validation, variables), reason }];
  });
  return [...broken, ...unremembered];
}

function failed(message: string): PolicyFailure {
  return { kind: "failed", message, reason: "Invalid" };
}

function messageOf({ expression, message, messageExpression }: CompiledValidation, variables: PolicyVariables): string {
  const usual = message?.trim() ?? `failed expression: ${expression.text}`;
  if (messageExpression === undefined) return usual;
  try {
    const text = messageExpression.evaluate(variables);
    return typeof text === "string" && text.trim() !== "" && !/[\r\n]/.test(text) ? text.trim() : usual;
  } catch {
    return usual;
  }
}

/** The policy's own variables are computed when they are first used, and once. */
function toVariables(policy: CompiledPolicy, input: PolicyInput): PolicyVariables {
  const own = {};
  const variables: PolicyVariables = {
    object: toDynamic(input.object),
    oldObject: toDynamic(input.oldObject),
    request: toDynamic(input.request),
    params: toDynamic(input.params),
    namespaceObject: toDynamic(input.namespaceObject),
    variables: own,
  };
  const { object, oldObject, params } = variables;
  variables["longest"] = Math.max(...[object, oldObject, params].map(longest));
  for (const { name, expression } of policy.variables) {
    let computed: { readonly value: unknown } | undefined;
    Object.defineProperty(own, name, {
      enumerable: true,
      get: () => (computed ??= { value: expression.evaluate(variables) }).value,
    });
  }
  return variables;
}
