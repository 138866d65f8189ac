// How a value merges: as one leaf, field by field, or item by item. The schema says it, and where it says nothing the value does.

import type { JsonSchema } from "../custom-resource-definition.ts";

export type Fields = Readonly<Record<string, unknown>>;

export type Shaped =
  | { readonly shape: "leaf" }
  | { readonly shape: "map"; readonly fields: Fields }
  /** A set, or a list whose items have keys. */
  | { readonly shape: "list"; readonly items: readonly unknown[] };

const leaf: Shaped = { shape: "leaf" };

export function shapeOf(value: unknown, schema: JsonSchema): Shaped {
  if (typeof value !== "object" || value === null) return leaf;
  if (Array.isArray(value)) {
    const type = schema["x-kubernetes-list-type"];
    return type === "set" || type === "map" ? { shape: "list", items: value } : leaf;
  }
  return schema["x-kubernetes-map-type"] === "atomic" ? leaf : { shape: "map", fields: value as Fields };
}

const anything: JsonSchema = {};

export interface Field {
  /** Its path element. */
  readonly element: string;
  readonly schema: JsonSchema;
  /** The schema names the field, which is then part of a struct and not a key that somebody chose. */
  readonly isNamed: boolean;
}

export function fieldOf(schema: JsonSchema, name: string): Field {
  const named = namedFields(schema).get(name);
  if (named !== undefined) return named;
  const { additionalProperties } = schema;
  return {
    element: `f:${name}`,
    schema: typeof additionalProperties === "object" ? additionalProperties : anything,
    isNamed: false,
  };
}

const known = new WeakMap<JsonSchema, ReadonlyMap<string, Field>>();

/** Made once per schema: every write asks for every field. */
function namedFields(schema: JsonSchema): ReadonlyMap<string, Field> {
  let fields = known.get(schema);
  if (fields === undefined) {
    const named = Object.entries(schema.properties ?? {});
    fields = new Map(named.map(([name, child]) => [name, { element: `f:${name}`, schema: child, isNamed: true }]));
    known.set(schema, fields);
  }
  return fields;
}

export function itemSchema(schema: JsonSchema): JsonSchema {
  return schema.items ?? anything;
}

/** The path element of an item; undefined when it lacks a key that has no default. */
export function itemElement(item: unknown, schema: JsonSchema): string | undefined {
  if (schema["x-kubernetes-list-type"] === "set") return `v:${JSON.stringify(item)}`;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const fields = typeof item === "object" && item !== null ? (item as Fields) : {};
  const properties = itemSchema(schema).properties ?? {};
  const found: string[] = [];
  for (const key of keys.length > 1 ? keys.toSorted() : keys) {
    const value = Object.hasOwn(fields, key) ? fields[key] : properties[key]?.default;
    if (value === undefined) return undefined;
    found.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  }
  return `k:{${found.join(",")}}`;
}

/** Items by their path elements, in their order. An item that has no element of its own goes by its place. */
export function itemsByElement(items: readonly unknown[], schema: JsonSchema): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const [index, item] of items.entries()) {
    const element = itemElement(item, schema) ?? `i:${index}`;
    const same = found.get(element);
    if (same === undefined) found.set(element, [item]);
    else same.push(item);
  }
  return found;
}
