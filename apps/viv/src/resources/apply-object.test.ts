import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { threeWayPatch } from "./apply-object.ts";

test("only what differs is sent", () => {
  const live = { spec: { cpu: 1, memory: "1Gi" }, status: { ready: true } };
  assert.deepEqual(threeWayPatch({}, { spec: { cpu: 2, memory: "1Gi" } }, live), { spec: { cpu: 2 } });
});

test("what the manifest no longer has is removed, what others added stays", () => {
  const last = { labels: { a: "1", b: "2" } };
  const live = { labels: { a: "1", b: "2", others: "3" } };
  assert.deepEqual(threeWayPatch(last, { labels: { a: "1" } }, live), { labels: { b: null } });
});

test("nothing is removed that was never applied", () => {
  assert.equal(threeWayPatch(undefined, { a: 1 }, { a: 1, b: 2 }), undefined);
});

test("what is gone already is not removed again", () => {
  assert.equal(threeWayPatch({ a: 1, b: 2 }, { a: 1 }, { a: 1 }), undefined);
});

test("lists are replaced as a whole", () => {
  assert.deepEqual(threeWayPatch({}, { list: [1, 2] }, { list: [1] }), { list: [1, 2] });
  assert.equal(threeWayPatch({}, { list: [{ a: 1 }] }, { list: [{ a: 1 }] }), undefined);
});

/** RFC 7386. */
function mergePatched(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatched(result[key], value);
  }
  return result;
}

const leaf = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom("x", "y"),
  fc.array(fc.integer({ max: 3 }), { maxLength: 2 }),
);
const key = fc.constantFrom("a", "b", "c");
const tree = fc.dictionary(key, fc.oneof(leaf, fc.dictionary(key, leaf)));

test("applying twice changes nothing the second time", () => {
  fc.assert(
    fc.property(tree, tree, tree, (last, wanted, live) => {
      const patched = mergePatched(live, threeWayPatch(last, wanted, live) ?? {});
      assert.equal(threeWayPatch(wanted, wanted, patched), undefined);
    }),
  );
});
