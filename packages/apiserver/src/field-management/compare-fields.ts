// Which fields a write adds, changes and removes.

import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { below, isEmpty, nothing, type FieldSet } from "./field-set.ts";
import { madeChildren, madeFields } from "./fields-of.ts";
import { fieldOf, itemsByElement, itemSchema, shapeOf, type Fields } from "./merge-shape.ts";

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two objects. */
export function compareFields(old: Fields, next: Fields, schema: JsonSchema): Comparison {
  return (
    compareMaps(old, next, schema)?.finish() ?? {
      added: nothing,
      modified: nothing,
      removed: nothing,
    }
  );
}

/** Whether a write changes nothing that anybody can own. */
export function isSameFields({ added, modified, removed }: Comparison): boolean {
  return isEmpty(added) && isEmpty(modified) && isEmpty(removed);
}

/** What lies below one value, as each of the three. */
interface Change {
  readonly added?: FieldSet | undefined;
  readonly modified?: FieldSet | undefined;
  readonly removed?: FieldSet | undefined;
}

class ChangesBelow {
  readonly #added: Record<string, FieldSet> = {};
  readonly #modified: Record<string, FieldSet> = {};
  readonly #removed: Record<string, FieldSet> = {};

  put(element: string, { added, modified, removed }: Change): void {
    if (added !== undefined) this.#added[element] = added;
    if (modified !== undefined) this.#modified[element] = modified;
    if (removed !== undefined) this.#removed[element] = removed;
  }

  finish(): Comparison {
    return { added: this.#added, modified: this.#modified, removed: this.#removed };
  }

  toChange(): Change {
    return {
      added: below(false, this.#added),
      modified: below(false, this.#modified),
      removed: below(false, this.#removed),
    };
  }
}

/** Undefined when both are the same. */
function compareValues(old: unknown, next: unknown, schema: JsonSchema): Change | undefined {
  if (old === next) return undefined;
  const left = shapeOf(old, schema);
  const right = shapeOf(next, schema);
  if (left.shape === "map" && right.shape === "map") return compareMaps(left.fields, right.fields, schema)?.toChange();
  if (left.shape === "list" && right.shape === "list") return compareLists(left.items, right.items, schema)?.toChange();
  if (left.shape === "leaf" && right.shape === "leaf")
    return isDeepStrictEqual(old, next) ? undefined : { modified: nothing };
  const removed = below(false, madeChildren(old, schema));
  const added = below(false, madeChildren(next, schema));
  // Between null and a map or list only what is in it comes or goes.
  const isOfOneType = (old === null || next === null) && (removed ?? added) !== undefined;
  return { added, removed, ...(!isOfOneType && { modified: nothing }) };
}

function compareMaps(old: Fields, next: Fields, schema: JsonSchema): ChangesBelow | undefined {
  let changes: ChangesBelow | undefined;
  const put = (element: string, change: Change): void => (changes ??= new ChangesBelow()).put(element, change);
  for (const name in next) {
    const { element, schema: child } = fieldOf(schema, name);
    if (!Object.hasOwn(old, name)) {
      put(element, { added: madeFields(next[name], child) });
      continue;
    }
    const change = compareValues(old[name], next[name], child);
    if (change !== undefined) put(element, change);
  }
  for (const name in old) {
    if (Object.hasOwn(next, name)) continue;
    const { element, schema: child } = fieldOf(schema, name);
    put(element, { removed: madeFields(old[name], child) });
  }
  return changes;
}

function compareLists(old: readonly unknown[], next: readonly unknown[], schema: JsonSchema): ChangesBelow | undefined {
  let changes: ChangesBelow | undefined;
  const put = (element: string, change: Change): void => (changes ??= new ChangesBelow()).put(element, change);
  const left = itemsByElement(old, schema);
  const right = itemsByElement(next, schema);
  const items = itemSchema(schema);
  for (const [element, same] of right) {
    const before = left.get(element);
    const change = before === undefined ? { added: madeFields(same[0], items) } : compareItems(before, same, items);
    if (change !== undefined) put(element, change);
  }
  for (const [element, same] of left) if (!right.has(element)) put(element, { removed: madeFields(same[0], items) });
  return changes;
}

/** Usually there is one of each; repeated items count as one leaf. */
function compareItems(old: readonly unknown[], next: readonly unknown[], schema: JsonSchema): Change | undefined {
  if (old.length === 1 && next.length === 1) return compareValues(old[0], next[0], schema);
  return isDeepStrictEqual(old, next) ? undefined : { modified: nothing };
}
