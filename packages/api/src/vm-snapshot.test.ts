import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotWishOf } from "./vm-snapshot.ts";
import type { SnapshotWish, VMSnapshotSpec } from "./vm-snapshot.ts";

type Config = NonNullable<VMSnapshotSpec["snapshotConfig"]>;

function wishOf(spec: Omit<VMSnapshotSpec, "vmRef">): SnapshotWish {
  return snapshotWishOf({ metadata: { name: "before" }, spec: { vmRef: { name: "web" }, ...spec } });
}

test("both spellings mean the same", () => {
  const short = wishOf({ nameHint: "hint", memory: true, description: "why" });
  assert.deepEqual(short, wishOf({ snapshotConfig: { name: "hint", includeMemory: true, description: "why" } }));
  assert.deepEqual([short.name, short.memory, short.description], ["hint", true, "why"]);
});

test("the object's name is the name where none is given", () => {
  assert.deepEqual(wishOf({}), {
    name: "before",
    memory: false,
    quiesce: "if-possible",
    contradictions: [],
    unsupported: [],
  });
});

const quiesce: readonly (readonly [Config, SnapshotWish["quiesce"]])[] = [
  [{ quiesce: true }, "required"],
  [{ consistencyLevel: "FilesystemConsistent" }, "required"],
  [{ quiesce: false }, "never"],
  [{ type: "Crash" }, "never"],
  [{ consistencyLevel: "CrashConsistent" }, "never"],
  [{ type: "Standard" }, "if-possible"],
];
for (const [snapshotConfig, expected] of quiesce) {
  test(`${JSON.stringify(snapshotConfig)} means ${expected}`, () => {
    assert.equal(wishOf({ snapshotConfig }).quiesce, expected);
  });
}

test("what cannot be is named, and so is what contradicts itself", () => {
  const { unsupported } = wishOf({
    snapshotConfig: { compression: true, type: "Application", encryption: { enabled: true } },
  });
  assert.equal(unsupported.length, 3);
  assert.equal(wishOf({ snapshotConfig: { quiesce: true, type: "Crash" } }).contradictions.length, 1);
});
