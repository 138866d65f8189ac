// Fills missing fields from the schema's defaults. A null where the schema does not allow one counts as missing
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable).

import { copyJson } from "@vivarium/api";
import type { JsonSchema } from "../custom-resource-definition.ts";

/** Changes `value`. */
export function applyDefaults(value: unknown, schema: JsonSchema): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) applyDefaults(item, schema.items);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  const { properties = none, additionalProperties } = schema;
  const values = typeof additionalProperties === "object" ? additionalProperties : undefined;
  for (const name in object) {
    const child = Object.hasOwn(properties, name) ? properties[name] : values;
    if (child === undefined) continue;
    // A field whose type is not declared keeps whatever it has.
    if (object[name] === null && child.nullable !== true && !(child === values && keepsUnknown(child)))
      delete object[name];
    else applyDefaults(object[name], child);
  }
  for (const { name, child } of defaultsOf(schema)) {
    if (Object.hasOwn(object, name)) continue;
    object[name] = typeof child.default === "object" ? copyJson(child.default) : child.default;
    applyDefaults(object[name], child);
  }
}

const none: Readonly<Record<string, JsonSchema>> = {};

interface Default {
  readonly name: string;
  readonly child: JsonSchema;
}

/** Most fields have no default: those that do are looked for once per schema. */
const known = new WeakMap<JsonSchema, readonly Default[]>();

function defaultsOf(schema: JsonSchema): readonly Default[] {
  let found = known.get(schema);
  if (found === undefined) {
    found = Object.entries(schema.properties ?? none).flatMap(([name, child]) =>
      child.default === undefined ? [] : [{ name, child }],
    );
    known.set(schema, found);
  }
  return found;
}

function keepsUnknown(schema: JsonSchema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true;
}
