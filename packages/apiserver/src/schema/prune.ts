// Removes fields that the schema does not know, and tells which: unknown fields never reach the store.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";

/** Changes `value`; returns the paths of what was removed. */
export function prune(value: unknown, schema: JsonSchema, path = ""): string[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, index) => prune(item, items, `${path}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return [];
  const object = value as Record<string, unknown>;
  const keepsUnknown =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    schema.additionalProperties === true ||
    !isObject(schema);
  return Object.keys(object).flatMap((name) => {
    const childPath = path === "" ? name : `${path}.${name}`;
    const known = schema.properties !== undefined && Object.hasOwn(schema.properties, name);
    if (known) return prune(object[name], schema.properties[name] ?? {}, childPath);
    if (typeof schema.additionalProperties === "object")
      return prune(object[name], schema.additionalProperties, childPath);
    if (schema["x-kubernetes-embedded-resource"] === true && embeddedFields.has(name))
      return name === "metadata" ? prune(object[name], metaSchema, childPath) : [];
    if (keepsUnknown) return [];
    delete object[name];
    return [childPath];
  });
}

const embeddedFields: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** A schema that describes no object says nothing of an object's fields; validation refuses the value itself. */
function isObject(schema: JsonSchema): boolean {
  return schema.type === "object" || schema.type === undefined;
}
