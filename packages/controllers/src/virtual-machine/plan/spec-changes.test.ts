import assert from "node:assert/strict";
import { test } from "node:test";
import { specChanges } from "./spec-changes.ts";

const pathsOf = (from: unknown, to: unknown) => specChanges(from, to).map(({ path }) => path);

test("the deepest fields are named, with what they were and shall be", () => {
  assert.deepEqual(specChanges({ resources: { cpu: 2, memoryMiB: 512 } }, { resources: { cpu: 4, memoryMiB: 512 } }), [
    { path: "spec.resources.cpu", from: "2", to: "4" },
  ]);
  assert.deepEqual(specChanges({}, { resources: { cpu: 4 } }), [{ path: "spec.resources.cpu", to: "4" }]);
  assert.deepEqual(pathsOf({ a: { b: { c: 1 } } }, {}), ["spec.a.b.c"]);
  assert.deepEqual(pathsOf({ a: {} }, {}), []);
});

test("entries are told apart by their names, and come and go as a whole", () => {
  const [a, b] = [
    { name: "a", sizeGiB: 1 },
    { name: "b", sizeGiB: 1 },
  ];
  assert.deepEqual(pathsOf({ disks: [a, b] }, { disks: [{ ...a, sizeGiB: 2 }, b] }), ["spec.disks[a].sizeGiB"]);
  assert.deepEqual(pathsOf({ disks: [a] }, { disks: [a, b] }), ["spec.disks[b]"]);
  assert.deepEqual(pathsOf({ disks: [a] }, {}), ["spec.disks[a]"]);
  assert.deepEqual(pathsOf({ disks: [a, b] }, { disks: [b, a] }), ["spec.disks"]);
});

test("other lists are one value", () => {
  assert.deepEqual(specChanges({ tags: ["a"] }, { tags: ["b"] }), [{ path: "spec.tags", from: '["a"]', to: '["b"]' }]);
});
