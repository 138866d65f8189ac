// Fits field sets to a schema that was changed since they were written: a map or list that became atomic is owned as a whole by whoever
// owned a part of it.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { below, elementsOf, isMember, nothing, type FieldSet } from "./field-set.ts";
import type { Owner } from "./managed-fields.ts";
import { itemsByElement, shapeOf, type Fields } from "./merge-shape.ts";
import { schemaAt } from "./named-fields.ts";

export function reconcileOwners(
  owners: ReadonlyMap<string, Owner>,
  live: Fields,
  schema: JsonSchema,
): Map<string, Owner> {
  return new Map(
    [...owners].map(([id, owner]) => [id, { ...owner, fields: reconcileFields(owner.fields, live, schema) }]),
  );
}

function reconcileFields(set: FieldSet, live: unknown, schema: JsonSchema): FieldSet {
  const shaped = shapeOf(live, schema);
  if (shaped.shape === "leaf") return typeof live === "object" && live !== null ? nothing : set;
  const items = shaped.shape === "list" ? itemsByElement(shaped.items, schema) : undefined;
  const out: Record<string, FieldSet> = {};
  for (const [element, child] of elementsOf(set)) {
    const value = shaped.shape === "map" ? shaped.fields[element.slice(2)] : items?.get(element)?.[0];
    out[element] =
      value === undefined
        ? child
        : (below(isMember(child), reconcileFields(child, value, schemaAt(schema, element).schema)) ?? nothing);
  }
  return out;
}
