// The fields that a value has. There are two ways to count: a write that makes something owns all of it, structs and lists as well; a
// configuration that is applied claims what somebody chose - leaves, keys and items - and not the structs around them.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { below, nothing, type FieldSet } from "./field-set.ts";
import { fieldSchema, itemElement, itemSchema, shapeOf } from "./merge-shape.ts";

/** What lies below a value that is made as a whole. */
export function madeFields(value: unknown, schema: JsonSchema): FieldSet {
  return below(true, madeChildren(value, schema)) ?? nothing;
}

/** The same without the value itself; undefined for a leaf. */
export function madeChildren(value: unknown, schema: JsonSchema): FieldSet | undefined {
  const shaped = shapeOf(value, schema);
  const out: Record<string, FieldSet> = {};
  switch (shaped.shape) {
    case "leaf":
      return undefined;
    case "map":
      for (const name of Object.keys(shaped.fields))
        out[`f:${name}`] = madeFields(shaped.fields[name], fieldSchema(schema, name).schema);
      return out;
    case "list":
      for (const [index, item] of shaped.items.entries())
        out[itemElement(item, schema) ?? `i:${index}`] = madeFields(item, itemSchema(schema));
      return out;
  }
}

/** What somebody claims who applies `value`; undefined for a leaf. */
export function claimedFields(value: unknown, schema: JsonSchema): FieldSet | undefined {
  const shaped = shapeOf(value, schema);
  const out: Record<string, FieldSet> = {};
  switch (shaped.shape) {
    case "leaf":
      return undefined;
    case "map":
      for (const [name, child] of Object.entries(shaped.fields)) {
        const { schema: childSchema, isNamed } = fieldSchema(schema, name);
        const children = claimedFields(child, childSchema);
        const claimed = below(children === undefined || !isNamed || isEmptyContainer(child), children);
        if (claimed !== undefined) out[`f:${name}`] = claimed;
      }
      return out;
    case "list":
      for (const [index, item] of shaped.items.entries())
        out[itemElement(item, schema) ?? `i:${index}`] =
          below(true, claimedFields(item, itemSchema(schema))) ?? nothing;
      return out;
  }
}

/** Nothing in it could be claimed in its place. */
function isEmptyContainer(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
