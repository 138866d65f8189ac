import assert from "node:assert/strict";
import { test } from "node:test";
import { strategicMergePatch } from "./strategic-merge-patch.ts";

const cases: readonly (readonly [rule: string, target: unknown, patch: unknown, result: unknown])[] = [
  ["fields merge and null removes", { a: { b: 1, c: 2 } }, { a: { b: null, d: 3 } }, { a: { c: 2, d: 3 } }],
  ["a list without a rule is replaced", { list: [1, 2] }, { list: [3] }, { list: [3] }],
  ["a set grows", { finalizers: ["a"] }, { finalizers: ["b", "a"] }, { finalizers: ["a", "b"] }],
  [
    "$deleteFromPrimitiveList removes from a set",
    { finalizers: ["a", "b", "c"] },
    { "$deleteFromPrimitiveList/finalizers": ["b"] },
    { finalizers: ["a", "c"] },
  ],
  [
    "$setElementOrder orders a list, the rest follow",
    { finalizers: ["a", "b"] },
    { "$setElementOrder/finalizers": ["c", "b"], finalizers: ["c"] },
    { finalizers: ["c", "b", "a"] },
  ],
  [
    "items merge by their key",
    { conditions: [{ type: "A", status: "x", n: 1 }, { type: "B" }] },
    { conditions: [{ type: "A", status: "y" }, { type: "C" }] },
    { conditions: [{ type: "A", status: "y", n: 1 }, { type: "B" }, { type: "C" }] },
  ],
  [
    "$patch: delete removes an item",
    { conditions: [{ type: "A" }, { type: "B" }] },
    { conditions: [{ type: "A", $patch: "delete" }] },
    { conditions: [{ type: "B" }] },
  ],
  [
    "$patch: replace in a list replaces the list",
    { conditions: [{ type: "A" }] },
    { conditions: [{ $patch: "replace" }, { type: "Z" }] },
    { conditions: [{ type: "Z" }] },
  ],
  ["$patch: replace replaces an object", { a: { b: 1 } }, { a: { $patch: "replace", c: 2 } }, { a: { c: 2 } }],
  ["$patch: delete removes an object", { a: { b: 1 }, x: 1 }, { a: { $patch: "delete" } }, { x: 1 }],
  ["$retainKeys drops all other fields", { a: { b: 1, c: 2 } }, { a: { $retainKeys: ["c"], c: 3 } }, { a: { c: 3 } }],
];

for (const [rule, target, patch, result] of cases)
  test(rule, () => {
    const before = structuredClone(target);
    assert.deepEqual(strategicMergePatch(target, patch), result);
    assert.deepEqual(target, before, "the target stays as it was");
  });
