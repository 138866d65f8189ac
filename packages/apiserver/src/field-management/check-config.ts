// What a configuration must not hold to be applied: items that cannot be told apart.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { showPath } from "./conflict-error.ts";
import { fieldOf, itemElement, itemSchema, shapeOf } from "./merge-shape.ts";

/** What is wrong, in the words of structured-merge-diff. */
export function checkConfig(value: unknown, schema: JsonSchema, path: readonly string[] = []): string[] {
  const shaped = shapeOf(value, schema);
  switch (shaped.shape) {
    case "leaf":
      return [];
    case "map":
      return Object.entries(shaped.fields).flatMap(([name, child]) =>
        checkConfig(child, fieldOf(schema, name).schema, [...path, `f:${name}`]),
      );
    case "list":
      return checkItems(shaped.items, schema, path);
  }
}

function checkItems(items: readonly unknown[], schema: JsonSchema, path: readonly string[]): string[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const element = itemElement(item, schema);
    if (element === undefined) return [`${showPath(path)}: element ${index}: ${keyProblem(item, schema)}`];
    if (seen.has(element)) return [`${showPath(path)}: duplicate entries for key ${showPath([element])}`];
    seen.add(element);
    return checkConfig(item, itemSchema(schema), [...path, element]);
  });
}

function keyProblem(item: unknown, schema: JsonSchema): string {
  if (typeof item !== "object" || item === null || Array.isArray(item))
    return "associative list with keys may not have non-map elements";
  const key = (schema["x-kubernetes-list-map-keys"] ?? []).find((name) => !Object.hasOwn(item, name));
  return `associative list with keys has an element that omits key field ${JSON.stringify(key)} (and doesn't have default value)`;
}
