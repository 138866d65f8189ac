// Removes fields that the schema does not know, and tells which: unknown fields never reach the store.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { metaSchema } from "../meta/meta-schema.ts";

/** Changes `value`; returns the paths of what was removed. */
export function prune(value: unknown, schema: JsonSchema): string[] {
  const removed: string[] = [];
  pruneBelow(value, schema, { path: [], removed });
  return removed;
}

interface Visit {
  /** Where the value is; changes on the way down and back. Written out only for what is removed, which is seldom anything. */
  readonly path: (string | number)[];
  readonly removed: string[];
}

function pruneBelow(value: unknown, schema: JsonSchema, visit: Visit): void {
  const { path, removed } = visit;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      pruneBelow(value[index], items, visit);
      path.pop();
    }
    return;
  }
  if (!isFields(value)) return;
  for (const name in value) {
    const child = schemaOf(schema, name);
    if (child === undefined || (child !== "unknown" && !isFields(value[name]))) continue;
    path.push(name);
    if (child === "unknown") {
      delete value[name];
      removed.push(shown(path));
    } else pruneBelow(value[name], child, visit);
    path.pop();
  }
}

/** Also names that are numbers stand behind a dot. */
function shown(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
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

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A schema that describes no object says nothing of an object's fields; validation refuses the value itself. */
function isObject(schema: JsonSchema): boolean {
  return schema.type === "object" || schema.type === undefined;
}
