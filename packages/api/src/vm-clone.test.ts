import assert from "node:assert/strict";
import { test } from "node:test";
import { cloneWishOf } from "./vm-clone.ts";
import type { CloneWish, VMCloneSpec } from "./vm-clone.ts";

const target = { name: "copy" };

function wishOf(spec: VMCloneSpec): CloneWish {
  return cloneWishOf({ metadata: { name: "clone", namespace: "lab" }, spec });
}

test("both spellings of a clone are one wish", () => {
  const expected: CloneWish = {
    source: { kind: "vm", name: "web" },
    target: { name: "copy", namespace: "lab" },
    isLinked: true,
    powerOn: true,
    problems: [],
    notApplied: [],
  };
  assert.deepEqual(wishOf({ sourceRef: { name: "web" }, target, linked: true, powerOn: true }), expected);
  const options = { type: "LinkedClone", powerOn: true } as const;
  assert.deepEqual(wishOf({ source: { vmRef: { name: "web" } }, target, options }), expected);
});

test("a full clone that is left off, in the VMClone's own namespace, is what is meant where nothing is said", () => {
  const wish = wishOf({ source: { templateRef: { name: "base" } }, target });
  assert.deepEqual(wish.source, { kind: "template", key: { name: "base", namespace: "lab" } });
  assert.deepEqual([wish.isLinked, wish.powerOn, wish.target.namespace], [false, false, "lab"]);
});

test("no source, several sources and contradictions are problems", () => {
  assert.match(wishOf({ target }).problems.join(), /names 0 sources/);
  const two = wishOf({ source: { vmRef: { name: "a" }, imageRef: { name: "b" } }, target });
  assert.match(two.problems.join(), /names 2 sources/);
  assert.equal(two.source, undefined);
  const both = wishOf({ sourceRef: { name: "a" }, target, linked: true, options: { type: "FullClone" } });
  assert.match(both.problems.join(), /spec.linked is true, and spec.options.type is FullClone/);
});

test("what there is not is refused, what the clone can do without is told", () => {
  const wish = wishOf({
    sourceRef: { name: "a" },
    target,
    options: { type: "InstantClone", includeSnapshots: true, performance: { priority: "Low" } },
    customization: { sysprep: { enabled: true }, guestCommands: [{ command: "true" }] },
  });
  assert.equal(wish.problems.length, 4);
  assert.deepEqual(wish.notApplied, ["spec.options.performance.priority"]);
});
