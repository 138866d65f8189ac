// An upper bound of what an expression can cost, told from the schema before any object is seen: that is what keeps evaluation bounded.
// Loops cost what their list can hold at most; a list without maxItems holds what fits into a request
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions).

import type { ASTNode } from "@marcbachmann/cel-js";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { maxBodyBytes } from "../input/parse-body.ts";
import { childrenOf } from "./ast.ts";
import { escapeField } from "./escape-field.ts";

/** Of one expression, at all the places where it is evaluated in one object. */
export const maxRuleCost = 10_000_000;

/** What is known of a value: its schema, or how much it can hold at most. */
interface Value {
  readonly schema?: JsonSchema;
  readonly size?: number;
}

interface Estimate {
  readonly cost: number;
  readonly value: Value;
}

type Scope = ReadonlyMap<string, Value>;

const loops: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** `variables`: those of the expression, by name. */
export function ruleCost(node: ASTNode, variables: Readonly<Record<string, JsonSchema>>): number {
  const scope = new Map(Object.entries(variables).map(([name, schema]) => [name, { schema }]));
  return estimate(node, scope).cost;
}

/** How many items, entries or characters a value of this schema has at most. */
export function maxSize(schema: JsonSchema): number {
  switch (schema.type) {
    case "array":
      return schema.maxItems ?? Math.floor(maxBodyBytes / (minBytes(schema.items) + 1));
    case "object":
      if (typeof schema.additionalProperties !== "object") return 1;
      return schema.maxProperties ?? Math.floor(maxBodyBytes / (minBytes(schema.additionalProperties) + 4));
    case "string":
      if (schema.enum !== undefined) return Math.max(0, ...schema.enum.map((each) => String(each).length));
      if (schema.format === "date-time" || schema.format === "duration" || schema.format === "date") return 64;
      return schema.maxLength ?? maxBodyBytes;
    case undefined:
      return schema["x-kubernetes-int-or-string"] === true ? (schema.maxLength ?? maxBodyBytes) : maxBodyBytes;
    default:
      return 1;
  }
}

function minBytes(schema: JsonSchema | undefined): number {
  switch (schema?.type) {
    case "string":
      return 2 + (schema.minLength ?? 0);
    case "array":
      return 2 + (schema.minItems ?? 0) * minBytes(schema.items);
    case "object":
      return (schema.required ?? []).reduce(
        (sum, name) => sum + name.length + 4 + minBytes(schema.properties?.[name]),
        2,
      );
    default:
      return 1;
  }
}

function estimate(node: ASTNode, scope: Scope): Estimate {
  switch (node.op) {
    case "id":
      return { cost: 1, value: scope.get(node.args) ?? {} };
    case "value":
      return { cost: 0, value: { size: typeof node.args === "string" ? node.args.length : 1 } };
    case ".":
    case ".?": {
      const object = estimate(node.args[0], scope);
      return { cost: object.cost + 1, value: fieldOf(object.value, node.args[1]) };
    }
    case "[]":
    case "[?]": {
      const [object, index] = node.args.map((each) => estimate(each, scope));
      return { cost: (object?.cost ?? 0) + (index?.cost ?? 0) + 1, value: itemOf(object?.value ?? {}) };
    }
    case "list":
      return { cost: 1 + sum(node.args, scope), value: { size: node.args.length } };
    case "rcall":
      return call(node.args[0], { receiver: node.args[1], args: node.args[2] }, scope);
    default:
      return other(node, scope);
  }
}

function call(
  name: string,
  { receiver, args }: { readonly receiver: ASTNode; readonly args: readonly ASTNode[] },
  scope: Scope,
): Estimate {
  const on = estimate(receiver, scope);
  const [first, ...rest] = args;
  if (name === "bind" && receiver.op === "id" && first?.op === "id" && rest[0] !== undefined && rest[1] !== undefined) {
    const bound = estimate(rest[0], scope);
    const body = estimate(rest[1], new Map(scope).set(first.args, bound.value));
    return { cost: 1 + bound.cost + body.cost, value: body.value };
  }
  const size = sizeOf(on.value);
  if (loops.has(name) && first?.op === "id") {
    const inner = new Map(scope).set(first.args, keyOrItemOf(on.value));
    const body = rest.reduce((cost, each) => cost + estimate(each, inner).cost, 0);
    return { cost: on.cost + 1 + size * (1 + body), value: name === "filter" ? on.value : { size } };
  }
  // Functions look at the whole of what they are called on: characters are cheap, items are not.
  const look = isText(on.value) ? size / 10 : size;
  return { cost: on.cost + 1 + look + sum(args, scope), value: { size } };
}

/** Operators and plain functions. Comparing costs what the smaller one holds; what is found by `in` costs the list. */
function other(node: ASTNode, scope: Scope): Estimate {
  const parts = childrenOf(node.args).map((each) => estimate(each, scope));
  const sizes = parts.map(({ value }) => sizeOf(value) * (isText(value) ? 0.1 : 1));
  const looks = node.op === "in" ? (sizes[1] ?? 0) : node.op === "==" || node.op === "!=" ? Math.min(...sizes) : 0;
  return {
    cost: parts.reduce((cost, part) => cost + part.cost, 1 + looks),
    value: parts.find(({ value }) => value.schema !== undefined)?.value ?? { size: Math.max(1, ...sizes) },
  };
}

function sum(nodes: readonly ASTNode[], scope: Scope): number {
  return nodes.reduce((cost, each) => cost + estimate(each, scope).cost, 0);
}

function sizeOf({ schema, size }: Value): number {
  return size ?? (schema === undefined ? maxBodyBytes : maxSize(schema));
}

function isText({ schema }: Value): boolean {
  return schema === undefined || schema.type === "string" || schema.type === undefined;
}

function fieldOf({ schema }: Value, name: string): Value {
  const found = Object.entries(schema?.properties ?? {}).find(([field]) => escapeField(field) === name)?.[1];
  if (found !== undefined) return { schema: found };
  return typeof schema?.additionalProperties === "object" ? { schema: schema.additionalProperties } : { size: 253 };
}

function itemOf({ schema }: Value): Value {
  if (schema?.items !== undefined) return { schema: schema.items };
  return typeof schema?.additionalProperties === "object" ? { schema: schema.additionalProperties } : {};
}

/** What a loop runs over: items of a list, keys of a map. */
function keyOrItemOf({ schema, size }: Value): Value {
  if (schema?.type === "object") return { size: 253 };
  if (schema?.items !== undefined) return { schema: schema.items };
  return size === undefined ? {} : { size: 253 };
}
