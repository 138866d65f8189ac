// x-kubernetes-list-type: items of a `set` and keys of a `map` may not repeat.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { duplicate, type FieldError } from "./field-error.ts";
import { formatPath } from "./field-path.ts";

interface Repeated {
  /** The list. */
  readonly at: readonly string[];
  readonly error: FieldError;
}

type Check = (value: unknown, path: readonly string[]) => Repeated[];

/** Looks only where the schema has such lists. Repeated finalizers and owner references are taken, as Kubernetes does. */
export function compileListKeys(schema: JsonSchema): (object: unknown) => Repeated[] {
  const { metadata: _, ...properties } = schema.properties ?? {};
  const check = compile({ ...schema, properties });
  return (object) => check?.(object, []) ?? [];
}

/** Undefined when there is nothing to check below. */
function compile(schema: JsonSchema): Check | undefined {
  const parts = [compileList(schema), compileProperties(schema), compileValues(schema)].filter(
    (each) => each !== undefined,
  );
  if (parts.length <= 1) return parts[0];
  return (value, path) => parts.flatMap((part) => part(value, path));
}

function compileList(schema: JsonSchema): Check | undefined {
  const items = schema.items === undefined ? undefined : compile(schema.items);
  const keyOf = keyFunction(schema);
  if (items === undefined && keyOf === undefined) return undefined;
  return (value, path) => {
    if (!Array.isArray(value)) return [];
    return [
      ...(keyOf === undefined ? [] : repeated(value, keyOf, path)),
      ...(items === undefined ? [] : value.flatMap((item, index) => items(item, [...path, String(index)]))),
    ];
  };
}

function compileProperties(schema: JsonSchema): Check | undefined {
  const checks = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const check = compile(child);
    return check === undefined ? [] : [{ name, check }];
  });
  if (checks.length === 0) return undefined;
  return (value, path) => {
    if (!isObject(value)) return [];
    return checks.flatMap(({ name, check }) => (Object.hasOwn(value, name) ? check(value[name], [...path, name]) : []));
  };
}

function compileValues({ additionalProperties }: JsonSchema): Check | undefined {
  const check = typeof additionalProperties === "object" ? compile(additionalProperties) : undefined;
  if (check === undefined) return undefined;
  return (value, path) =>
    isObject(value) ? Object.entries(value).flatMap(([name, child]) => check(child, [...path, name])) : [];
}

function keyFunction(schema: JsonSchema): ((item: unknown) => unknown) | undefined {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  switch (schema["x-kubernetes-list-type"]) {
    case "set":
      return (item) => item;
    case "map":
      return (item) => (isObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item);
    default:
      return undefined;
  }
}

function repeated(items: readonly unknown[], keyOf: (item: unknown) => unknown, path: readonly string[]): Repeated[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const key = keyOf(item);
    const text = JSON.stringify(key);
    const isRepeated = seen.has(text);
    seen.add(text);
    return isRepeated ? [{ at: path, error: duplicate(formatPath([...path, String(index)]), key) }] : [];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
