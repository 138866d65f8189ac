// Takes fields out of a value.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { isMember, type FieldSet } from "./field-set.ts";
import { fieldOf, itemElement, itemSchema, shapeOf, type Fields } from "./merge-shape.ts";

/** What is left of an object. Maps and lists that lose all that is in them stay, unless they are themselves among the fields. */
export function removeFields(value: Fields, gone: FieldSet, schema: JsonSchema): Fields {
  return removeBelow(value, gone, schema) as Fields;
}

function removeBelow(value: unknown, gone: FieldSet, schema: JsonSchema): unknown {
  const shaped = shapeOf(value, schema);
  switch (shaped.shape) {
    case "leaf":
      return value;
    case "map": {
      const out: Record<string, unknown> = {};
      for (const [name, child] of Object.entries(shaped.fields)) {
        const left = removeElement(child, gone[`f:${name}`], fieldOf(schema, name).schema);
        if (left !== undefined) out[name] = left;
      }
      return out;
    }
    case "list": {
      return shaped.items
        .map((item, index) => removeElement(item, gone[itemElement(item, schema) ?? `i:${index}`], itemSchema(schema)))
        .filter((item) => item !== undefined);
    }
  }
}

/** Undefined for what is gone. */
function removeElement(value: unknown, gone: FieldSet | undefined, schema: JsonSchema): unknown {
  if (gone === undefined) return value;
  return isMember(gone) ? undefined : removeBelow(value, gone, schema);
}
