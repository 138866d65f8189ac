// Fills missing fields from the schema's defaults. A null where the schema does not allow one counts as missing
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable).

import type { JsonSchema } from "../custom-resource-definition.ts";

/** Changes `value`. */
export function applyDefaults(value: unknown, schema: JsonSchema): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) applyDefaults(item, schema.items);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if (object[name] === null && child.nullable !== true) delete object[name];
    if (!Object.hasOwn(object, name) && child.default !== undefined) object[name] = structuredClone(child.default);
    if (Object.hasOwn(object, name)) applyDefaults(object[name], child);
  }
  const values = schema.additionalProperties;
  if (typeof values !== "object") return;
  for (const [name, child] of Object.entries(object)) {
    if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) continue;
    if (child === null && values.nullable !== true && values["x-kubernetes-preserve-unknown-fields"] !== true)
      delete object[name];
    else applyDefaults(child, values);
  }
}
