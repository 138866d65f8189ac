import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualMachine, VMSnapshot } from "@vivarium/api";
import type { VMSnapshotStatus } from "@vivarium/api";
import { headOf } from "../../testing/controllers-lab.ts";
import { isBeingSnapshotted, resolveRevert, snapshotsThatStay } from "./revert-plan.ts";

const head = headOf(VirtualMachine, "web");
const vm: VirtualMachine = {
  ...head,
  metadata: { ...head.metadata, uid: "vm" },
  spec: { snapshot: { revertToRef: { name: "before" } } },
};

function snapshot(record: Record<string, unknown>, status: VMSnapshotStatus = {}, vmRef = "web"): VMSnapshot {
  const named = headOf(VMSnapshot, "before");
  return {
    ...named,
    metadata: { ...named.metadata, uid: "snap" },
    spec: { vmRef: { name: vmRef }, retentionPolicy: { deleteOnVMDelete: false } },
    status: { ...status, record },
  };
}

const taken = { stage: "created", machine: "vm" };

test("no wish is none", () => {
  assert.equal(
    resolveRevert({ ...vm, spec: {} }, () => undefined),
    undefined,
  );
});

test("a snapshot of this machine that was taken can be gone back to", () => {
  assert.deepEqual(
    resolveRevert(vm, () => snapshot(taken)),
    { ok: true, value: { name: "before", uid: "snap" } },
  );
});

const refused: readonly (readonly [string, VMSnapshot | undefined, string])[] = [
  ["one that does not exist", undefined, "SnapshotNotFound"],
  ["one of another machine", snapshot(taken, {}, "db"), "InvalidSpec"],
  ["one of an earlier machine of this name", snapshot({ ...taken, machine: "earlier" }), "InvalidSpec"],
  ["one that is being taken", snapshot({ ...taken, stage: "creating" }), "SnapshotNotReady"],
  ["one that is lost", snapshot(taken, { phase: "Failed" }), "SnapshotNotReady"],
];
for (const [rule, found, reason] of refused) {
  test(`${rule} is refused`, () => {
    const resolved = resolveRevert(vm, () => found);
    assert.ok(resolved?.ok === false);
    assert.equal(resolved.problems[0]?.reason, reason);
  });
}

test("what is being taken, and what shall outlive the machine, is of this machine alone", () => {
  assert.equal(isBeingSnapshotted(vm, [snapshot({ ...taken, stage: "creating" })]), true);
  assert.equal(isBeingSnapshotted(vm, [snapshot(taken)]), false);
  const nobody = () => [];
  assert.deepEqual(snapshotsThatStay(vm, [snapshot(taken)], nobody), ["before"]);
  assert.deepEqual(snapshotsThatStay(vm, [snapshot({ ...taken, machine: "earlier" })], nobody), []);
});

test("what disks of clones back onto stays as well, and says whose", () => {
  const staying = snapshotsThatStay(vm, [snapshot(taken)], () => ["a", "b"]);
  assert.deepEqual(staying, ["before (clones back onto it: a, b)"]);
});
