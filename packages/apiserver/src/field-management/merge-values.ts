// Merges an applied configuration into the stored object: structs and maps field by field, keyed lists and sets item by item, all else is
// replaced.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { fieldOf, itemsByElement, itemSchema, shapeOf, type Fields } from "./merge-shape.ts";

export function mergeValues(live: unknown, config: unknown, schema: JsonSchema): unknown {
  const left = shapeOf(live, schema);
  const right = shapeOf(config, schema);
  if (left.shape === "map" && right.shape === "map") return mergeMaps(left.fields, right.fields, schema);
  if (left.shape === "list" && right.shape === "list") return mergeLists(left.items, right.items, schema);
  return config;
}

export function mergeMaps(live: Fields, config: Fields, schema: JsonSchema): Record<string, unknown> {
  const out: Record<string, unknown> = { ...live };
  for (const name of Object.keys(config))
    out[name] = Object.hasOwn(live, name)
      ? mergeValues(live[name], config[name], fieldOf(schema, name).schema)
      : config[name];
  return out;
}

/** Common items come in the order of the configuration; those that only the stored object has stay before the common item they preceded. */
function mergeLists(live: readonly unknown[], config: readonly unknown[], schema: JsonSchema): unknown[] {
  const left = itemsByElement(live, schema);
  const right = itemsByElement(config, schema);
  const liveOrder = [...left.keys()];
  const shared = [...right.keys()].filter((element) => left.has(element));
  const out: unknown[] = [];
  let at = 0;
  const takeLiveOnly = (): void => {
    for (; at < liveOrder.length && liveOrder[at] !== shared[0]; at++) {
      const element = liveOrder[at] ?? "";
      if (!right.has(element)) out.push(...(left.get(element) ?? []));
    }
  };
  for (const [element, [item]] of right) {
    takeLiveOnly();
    const before = left.get(element);
    // Items that the stored object repeats are replaced as a whole.
    out.push(before?.length === 1 ? mergeValues(before[0], item, itemSchema(schema)) : item);
    if (before === undefined) continue;
    shared.shift();
    if (liveOrder[at] === element) at++;
  }
  takeLiveOnly();
  return out;
}
