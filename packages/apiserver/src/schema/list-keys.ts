// x-kubernetes-list-type: items of a `set` and keys of a `map` may not repeat.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { duplicate, type FieldError } from "./field-error.ts";

export function checkListKeys(value: unknown, schema: JsonSchema, path = ""): FieldError[] {
  if (Array.isArray(value)) {
    const items = schema.items;
    return [
      ...repeated(value, schema, path),
      ...(items === undefined ? [] : value.flatMap((item, index) => checkListKeys(item, items, `${path}[${index}]`))),
    ];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const childSchema =
      schema.properties?.[name] ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : {});
    return checkListKeys(child, childSchema, path === "" ? name : `${path}.${name}`);
  });
}

function repeated(items: readonly unknown[], schema: JsonSchema, path: string): FieldError[] {
  const type = schema["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return [];
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const key = type === "set" ? item : keyOf(item, schema["x-kubernetes-list-map-keys"] ?? []);
    const text = JSON.stringify(key);
    const isRepeated = seen.has(text);
    seen.add(text);
    return isRepeated ? [duplicate(`${path}[${index}]`, key)] : [];
  });
}

function keyOf(item: unknown, keys: readonly string[]): unknown {
  if (typeof item !== "object" || item === null) return item;
  return Object.fromEntries(keys.map((key) => [key, (item as Record<string, unknown>)[key]]));
}
