// A ValidatingAdmissionPolicy with its expressions compiled. What objects look like is not known here, so their fields are looked up when
// they are used; a loop is bounded by what the objects of a request hold.

import type { Environment, ParseResult } from "@marcbachmann/cel-js";
import type { ValidatingAdmissionPolicySpec } from "@vivarium/api";
import { childrenOf } from "../../cel/ast.ts";
import { newEnvironment } from "../../cel/base-environment.ts";
import { isQualifiedName, qualifiedNameRule } from "../../meta/names.ts";
import { invalidValue, required, type FieldError } from "../../schema/field-error.ts";
import { firstLine } from "../../schema/problem-of.ts";

/** One expression. Throws what evaluation throws. */
export interface PolicyExpression {
  readonly text: string;
  evaluate(variables: PolicyVariables): unknown;
}

export interface PolicyVariables extends Record<string, unknown> {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
  readonly params: unknown;
  readonly namespaceObject: unknown;
  /** Filled while the policy is evaluated. */
  readonly variables: unknown;
}

export interface CompiledValidation {
  readonly expression: PolicyExpression;
  readonly message: string | undefined;
  readonly messageExpression: PolicyExpression | undefined;
  readonly reason: "Unauthorized" | "Forbidden" | "Invalid" | "RequestEntityTooLarge";
}

export interface CompiledPolicy {
  readonly matchConditions: readonly { readonly name: string; readonly expression: PolicyExpression }[];
  readonly variables: readonly { readonly name: string; readonly expression: PolicyExpression }[];
  readonly validations: readonly CompiledValidation[];
  readonly auditAnnotations: readonly { readonly key: string; readonly expression: PolicyExpression }[];
  readonly errors: readonly FieldError[];
}

/** Steps that one expression may take; a step is one node for one item of a loop. */
const maxSteps = 10_000_000;

export function compilePolicy(spec: ValidatingAdmissionPolicySpec): CompiledPolicy {
  const errors: FieldError[] = [];
  const base = newEnvironment();
  for (const name of ["object", "oldObject", "request", "namespaceObject"]) base.registerVariable(name, "dyn");
  if (spec.paramKind !== undefined) base.registerVariable("params", "dyn");
  // Conditions are asked before the policy's variables exist.
  const forConditions = base.clone();
  const forValidations = base.clone().registerVariable("variables", "dyn");
  const compile = (environment: Environment, text: string, { path, wanted }: { path: string; wanted: string }) => {
    const compiled = compileOne(environment, text, wanted);
    if (typeof compiled !== "string") return [compiled];
    errors.push(text.trim() === "" ? required(path) : invalidValue(path, text, compiled));
    return [];
  };
  const matchConditions = (spec.matchConditions ?? []).flatMap(({ name, expression }, index) =>
    compile(forConditions, expression, { path: `spec.matchConditions[${index}].expression`, wanted: "bool" }).map(
      (each) => ({ name, expression: each }),
    ),
  );
  const variables = (spec.variables ?? []).flatMap(({ name, expression }, index) => {
    const path = `spec.variables[${index}]`;
    if (!/^[A-Za-z_]\w*$/.test(name))
      errors.push(invalidValue(`${path}.name`, name, "name is not a valid CEL identifier"));
    return compile(forValidations, expression, { path: `${path}.expression`, wanted: "dyn" }).map((each) => ({
      name,
      expression: each,
    }));
  });
  const validations = (spec.validations ?? []).flatMap((validation, index) => {
    const path = `spec.validations[${index}]`;
    const [expression] = compile(forValidations, validation.expression, {
      path: `${path}.expression`,
      wanted: "bool",
    });
    const messages =
      validation.messageExpression === undefined
        ? []
        : compile(forValidations, validation.messageExpression, {
            path: `${path}.messageExpression`,
            wanted: "string",
          });
    if (expression === undefined) return [];
    const { message, reason = "Invalid" } = validation;
    return [{ expression, message, messageExpression: messages[0], reason }];
  });
  const auditAnnotations = (spec.auditAnnotations ?? []).flatMap(({ key, valueExpression }, index) => {
    const path = `spec.auditAnnotations[${index}]`;
    if (!isQualifiedName(key) || key.includes("/")) errors.push(invalidValue(`${path}.key`, key, qualifiedNameRule));
    return compile(forValidations, valueExpression, { path: `${path}.valueExpression`, wanted: "dyn" }).map((each) => ({
      key,
      expression: each,
    }));
  });
  return { matchConditions, variables, validations, auditAnnotations, errors };
}

/** A text: what is wrong with the expression. */
function compileOne(environment: Environment, text: string, wanted: string): PolicyExpression | string {
  let program: ParseResult;
  try {
    program = environment.parse(text);
  } catch (error) {
    return `compilation failed: ${firstLine(error)}`;
  }
  const { valid, type, error } = program.check();
  if (!valid) return `compilation failed: ${firstLine(error)}`;
  if (wanted !== "dyn" && type !== wanted && type !== "dyn") return `must evaluate to ${wanted}`;
  const size = sizeOf(program.ast);
  return {
    text: text.trim(),
    evaluate(variables) {
      if (size.depth > 0 && size.nodes * Number(variables["longest"]) ** size.depth > maxSteps)
        throw new RangeError("operation cancelled: actual cost limit exceeded");
      return program(variables);
    },
  };
}

const loops: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** How many nodes an expression has, and how deep its loops are nested. A function that looks at a whole list is a loop too. */
function sizeOf(node: ParseResult["ast"]): { readonly nodes: number; readonly depth: number } {
  const parts = childrenOf(node.args).map(sizeOf);
  const nodes = parts.reduce((sum, part) => sum + part.nodes, 1);
  const depth = Math.max(0, ...parts.map((part) => part.depth));
  return { nodes, depth: node.op === "rcall" && loops.has(node.args[0]) ? depth + 1 : depth };
}
