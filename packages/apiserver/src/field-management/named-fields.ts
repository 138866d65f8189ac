// Counts the structs around claimed fields as claimed too, so that a struct goes when nothing that anybody wants is left in it.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { below, elementsOf, isMember, nothing, type FieldSet } from "./field-set.ts";
import { fieldOf, itemSchema } from "./merge-shape.ts";

export function withNamedFields(set: FieldSet, schema: JsonSchema): FieldSet {
  const out: Record<string, FieldSet> = {};
  for (const [element, child] of elementsOf(set)) {
    const { schema: childSchema, isNamed } = schemaAt(schema, element);
    out[element] = below(isNamed || isMember(child), withNamedFields(child, childSchema)) ?? nothing;
  }
  return out;
}

/** The schema of what a path element leads to. */
export function schemaAt(
  schema: JsonSchema,
  element: string,
): { readonly schema: JsonSchema; readonly isNamed: boolean } {
  return element.startsWith("f:") ? fieldOf(schema, element.slice(2)) : { schema: itemSchema(schema), isNamed: false };
}
