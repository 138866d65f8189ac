// Ratcheting: what was invalid before and stays as it is does not hold up an update
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting).

import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "../custom-resource-definition.ts";

/** Whether the value at the path, or one that it is part of, is the same in both objects. List items are told apart by their keys. */
export function isUnchangedAt(
  path: readonly string[],
  { schema, object, old }: { readonly schema: JsonSchema; readonly object: unknown; readonly old: unknown },
): boolean {
  let now: unknown = object;
  let before: unknown = old;
  let node: JsonSchema = schema;
  for (const part of path) {
    if (isDeepStrictEqual(now, before)) return true;
    const next = childOf(now, part);
    before = Array.isArray(now) ? counterpartOf(next, before, node) : childOf(before, part);
    node = childSchema(node, part, Array.isArray(now));
    now = next;
    if (before === undefined) return false;
  }
  return isDeepStrictEqual(now, before);
}

/** The item of the old list that has the same keys; undefined where items have none. */
export function counterpartOf(item: unknown, old: unknown, list: JsonSchema): unknown {
  const keys = list["x-kubernetes-list-map-keys"];
  if (list["x-kubernetes-list-type"] !== "map" || keys === undefined || !Array.isArray(old)) return undefined;
  return old.find((each: unknown) => keys.every((key) => isDeepStrictEqual(childOf(each, key), childOf(item, key))));
}

function childOf(value: unknown, part: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
  return (value as Record<string, unknown>)[part];
}

function childSchema(schema: JsonSchema, part: string, isItem: boolean): JsonSchema {
  if (isItem) return schema.items ?? {};
  const known = schema.properties !== undefined && Object.hasOwn(schema.properties, part);
  if (known) return schema.properties[part] ?? {};
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
}
