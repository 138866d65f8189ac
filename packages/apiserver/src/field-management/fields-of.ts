// The fields that a value has. There are two ways to count: a write that makes something owns all of it, structs and lists as well; a
// configuration that is applied claims what somebody chose - leaves, keys and items - and not the structs around them.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { below, nothing, withSelf, type FieldSet } from "./field-set.ts";
import { fieldOf, itemElement, itemSchema, shapeOf } from "./merge-shape.ts";

/** What lies below a value that is made as a whole. */
export function madeFields(value: unknown, schema: JsonSchema): FieldSet {
  const fields = withSelf();
  return putMade(fields, value, schema) ? fields : nothing;
}

/** The same without the value itself; undefined when there is nothing. */
export function madeChildren(value: unknown, schema: JsonSchema): FieldSet | undefined {
  const fields: Record<string, FieldSet> = {};
  return putMade(fields, value, schema) ? fields : undefined;
}

/** Whether there is anything. */
function putMade(out: Record<string, FieldSet>, value: unknown, schema: JsonSchema): boolean {
  const shaped = shapeOf(value, schema);
  switch (shaped.shape) {
    case "leaf":
      return false;
    case "map": {
      let isAny = false;
      for (const name in shaped.fields) {
        const { element, schema: child } = fieldOf(schema, name);
        out[element] = madeFields(shaped.fields[name], child);
        isAny = true;
      }
      return isAny;
    }
    case "list":
      shaped.items.forEach((item, index) => {
        out[itemElement(item, schema) ?? `i:${index}`] = madeFields(item, itemSchema(schema));
      });
      return shaped.items.length > 0;
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
        const { element, schema: childSchema, isNamed } = fieldOf(schema, name);
        const children = claimedFields(child, childSchema);
        const claimed = below(children === undefined || !isNamed || isEmptyContainer(child), children);
        if (claimed !== undefined) out[element] = claimed;
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
