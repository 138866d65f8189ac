// fieldPath of a rule: a path of declared fields such as `.spec.size` or `.labels['a.b']`, below the rule's own place.

import type { JsonSchema } from "../custom-resource-definition.ts";

/** The names on the way; undefined when the path is none of the schema. */
export function parseFieldPath(text: string, schema: JsonSchema): readonly string[] | undefined {
  const names: string[] = [];
  let node: JsonSchema | undefined = schema;
  let rest = text;
  while (rest !== "") {
    const match: RegExpExecArray | null = /^(?:\.([A-Za-z_][\w-]*)|\['([^']+)'\])/.exec(rest);
    const name = match?.[1] ?? match?.[2];
    if (match === null || name === undefined) return undefined;
    node = childOf(node, name);
    if (node === undefined) return undefined;
    names.push(name);
    rest = rest.slice(match[0].length);
  }
  return names.length === 0 ? undefined : names;
}

function childOf(schema: JsonSchema, name: string): JsonSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) return schema.properties[name];
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}
