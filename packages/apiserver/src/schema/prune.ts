// Removes fields that the schema does not know, and tells which: unknown fields never reach the store.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";

/** Changes `value`; returns the paths of what was removed. */
export function prune(value: unknown, schema: JsonSchema): string[] {
  const removed: string[] = [];
  pruneBelow(value, schema, { path: "", removed });
  return removed;
}

interface Place {
  readonly path: string;
  readonly removed: string[];
}

function pruneBelow(value: unknown, schema: JsonSchema, { path, removed }: Place): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    for (const [index, item] of value.entries())
      if (isContainer(item)) pruneBelow(item, items, { path: `${path}[${index}]`, removed });
    return;
  }
  if (!isContainer(value)) return;
  const object = value as Record<string, unknown>;
  for (const name of Object.keys(object)) {
    const child = schemaOf(schema, name);
    const childPath = (): string => (path === "" ? name : `${path}.${name}`);
    if (child === "unknown") {
      delete object[name];
      removed.push(childPath());
    } else if (child !== undefined && isContainer(object[name]))
      pruneBelow(object[name], child, { path: childPath(), removed });
  }
}

/** Undefined: whatever is there stays as it is. */
function schemaOf(schema: JsonSchema, name: string): JsonSchema | "unknown" | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) return schema.properties[name];
  if (typeof schema.additionalProperties === "object") return schema.additionalProperties;
  if (schema["x-kubernetes-embedded-resource"] === true && embeddedFields.has(name))
    return name === "metadata" ? metaSchema : undefined;
  const keepsUnknown =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    schema.additionalProperties === true ||
    !isObject(schema);
  return keepsUnknown ? undefined : "unknown";
}

const embeddedFields: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

function isContainer(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** A schema that describes no object says nothing of an object's fields; validation refuses the value itself. */
function isObject(schema: JsonSchema): boolean {
  return schema.type === "object" || schema.type === undefined;
}
