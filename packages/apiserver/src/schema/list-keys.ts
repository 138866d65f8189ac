// x-kubernetes-list-type: items of a `set` and keys of a `map` may not repeat.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { duplicate, type FieldError } from "./field-error.ts";
import { formatPath } from "./field-path.ts";

interface Repeated {
  /** The list. */
  readonly at: readonly string[];
  readonly error: FieldError;
}

interface Visit {
  /** Where the value is; changes on the way down and back. */
  readonly path: string[];
  readonly found: Repeated[];
}

/** Runs at every write, which nearly always has nothing to tell: nothing is made on the way. */
type Check = (value: unknown, visit: Visit) => void;

/** Looks only where the schema has such lists. Repeated finalizers and owner references are taken, as Kubernetes does. */
export function compileListKeys(schema: JsonSchema): (object: unknown) => readonly Repeated[] {
  const { metadata: _, ...properties } = schema.properties ?? {};
  const check = compile({ ...schema, properties });
  return (object) => {
    const found: Repeated[] = [];
    check?.(object, { path: [], found });
    return found;
  };
}

/** Undefined when there is nothing to check below. */
function compile(schema: JsonSchema): Check | undefined {
  const parts = [compileList(schema), compileProperties(schema), compileValues(schema)].filter(
    (each) => each !== undefined,
  );
  if (parts.length <= 1) return parts[0];
  return (value, visit) => {
    for (const part of parts) part(value, visit);
  };
}

function compileList(schema: JsonSchema): Check | undefined {
  const items = schema.items === undefined ? undefined : compile(schema.items);
  const key = keyOf(schema);
  if (items === undefined && key === undefined) return undefined;
  return (value, visit) => {
    if (!Array.isArray(value)) return;
    if (key !== undefined && value.length > 1) findRepeated(value, key, visit);
    if (items !== undefined)
      value.forEach((item, index) => descend(items, { value: item, name: String(index) }, visit));
  };
}

function compileProperties(schema: JsonSchema): Check | undefined {
  const checks = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const check = compile(child);
    return check === undefined ? [] : [{ name, check }];
  });
  if (checks.length === 0) return undefined;
  return (value, visit) => {
    if (!isObject(value)) return;
    for (const { name, check } of checks)
      if (Object.hasOwn(value, name)) descend(check, { value: value[name], name }, visit);
  };
}

function compileValues({ additionalProperties }: JsonSchema): Check | undefined {
  const check = typeof additionalProperties === "object" ? compile(additionalProperties) : undefined;
  if (check === undefined) return undefined;
  return (value, visit) => {
    if (!isObject(value)) return;
    for (const name of Object.keys(value)) descend(check, { value: value[name], name }, visit);
  };
}

function descend(
  check: Check,
  { value, name }: { readonly value: unknown; readonly name: string },
  visit: Visit,
): void {
  visit.path.push(name);
  check(value, visit);
  visit.path.pop();
}

interface Key {
  /** What may not repeat, as messages show it. */
  shown(item: unknown): unknown;
  /** Equal for two items that are the same. */
  identity(item: unknown): string;
}

function keyOf(schema: JsonSchema): Key | undefined {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const [only] = keys;
  switch (schema["x-kubernetes-list-type"]) {
    case "set":
      return { shown: (item) => item, identity: identityOf };
    case "map": {
      const shown = (item: unknown): unknown =>
        isObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
      const isOne = only !== undefined && keys.length === 1;
      return {
        shown,
        identity: (item) => identityOf(isOne && isObject(item) ? item[only] : shown(item)),
      };
    }
    default:
      return undefined;
  }
}

/** Texts, which most keys are, need no JSON; that of other values never begins so. */
function identityOf(value: unknown): string {
  return typeof value === "string" ? `s${value}` : JSON.stringify(value ?? null);
}

function findRepeated(items: readonly unknown[], key: Key, { path, found }: Visit): void {
  const seen = new Set<string>();
  items.forEach((item, index) => {
    const identity = key.identity(item);
    if (seen.has(identity))
      found.push({ at: [...path], error: duplicate(formatPath([...path, String(index)]), key.shown(item)) });
    seen.add(identity);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
