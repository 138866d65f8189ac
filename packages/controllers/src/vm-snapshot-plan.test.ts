import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import type { SnapshotObservation } from "@vivarium/provider";
import { decideSnapshot } from "./vm-snapshot-plan.ts";
import type { SnapshotInput, SnapshotStep } from "./vm-snapshot-plan.ts";

const snapshot: SnapshotObservation = {
  uid: "u",
  name: "s",
  createdAtMs: 0,
  isCurrent: true,
  method: "external",
  consistency: "crash",
  hasMemory: false,
  disks: ["root"],
  leftOut: [],
};

const machine = { kind: "present", uid: "vm", isMade: true, isDeleting: false } as const;

const wanted: SnapshotInput = {
  nowMs: 1_000_000,
  uid: "u",
  name: "s",
  isDeleting: false,
  hasFinalizer: true,
  isForcedDelete: false,
  stage: "none",
  wish: { name: "s", memory: false, quiesce: "if-possible", contradictions: [], unsupported: [] },
  machine,
  seen: { kind: "seen", snapshots: [] },
  creation: { kind: "none" },
  removal: { kind: "none" },
  goesWithMachine: true,
  isCrowdedOut: false,
  neededBy: [],
  isIdleBase: false,
};
const created: Partial<SnapshotInput> = { stage: "created", seen: { kind: "seen", snapshots: [snapshot] } };
const away: Partial<SnapshotInput> = {
  seen: { kind: "unavailable", error: new ProviderError("Unavailable", "no answer") },
};
const failure = (code: "Unsupported" | "Conflict" | "Internal") =>
  ({ kind: "failed", error: new ProviderError(code, "no"), failures: 1, failedMs: 1_000_000 }) as const;

function outcome(step: SnapshotStep): string {
  if (step.kind !== "Settle") return step.kind;
  const { situation } = step;
  return "reason" in situation ? `${situation.kind}/${situation.reason}` : situation.kind;
}

const rows: readonly (readonly [string, Partial<SnapshotInput>, string])[] = [
  ["first the finalizer", { hasFinalizer: false }, "AddFinalizer"],
  ["what is about to be done is written down", {}, "RecordCreating"],
  ["then it is taken", { stage: "creating" }, "Create"],
  ["one that a killed server took counts", { ...created, stage: "creating" }, "RecordCreated"],
  ["while it is taken", { stage: "creating", creation: { kind: "running", startedMs: 0 } }, "Creating"],
  ["a failure waits", { stage: "creating", creation: failure("Internal") }, "Waiting/Internal"],
  ["a conflict waits", { stage: "creating", creation: failure("Conflict") }, "Waiting/ConflictOnProvider"],
  ["what cannot be has failed", { stage: "creating", creation: failure("Unsupported") }, "Failed/Unsupported"],
  ["after a while it is tried again", { stage: "creating", creation: failure("Internal"), nowMs: 1_002_000 }, "Create"],
  ["nobody can tell", { ...away, stage: "creating" }, "Waiting/ProviderUnavailable"],
  ["no machine", { machine: { kind: "absent" } }, "Waiting/VMNotFound"],
  ["a machine that is not made", { machine: { ...machine, isMade: false } }, "Waiting/VMNotMade"],
  ["a machine on its way back", { machine: { ...machine, revertsTo: "x" } }, "Waiting/VMReverting"],
  ["contradictions", { wish: { ...wanted.wish, contradictions: ["both"] } }, "Failed/InvalidSpec"],
  ["unsupported fields", { wish: { ...wanted.wish, unsupported: ["it"] } }, "Failed/Unsupported"],
  ["it is there", created, "Ready"],
  ["it was there", { stage: "created" }, "Failed/SnapshotLost"],
  ["could not look is not lost", { ...away, stage: "created" }, "Waiting/ProviderUnavailable"],
  ["its time is over", { ...created, expiry: { atMs: 1, removeAtMs: 2_000_000 } }, "Expired"],
  ["its time and its grace are over", { ...created, expiry: { atMs: 1, removeAtMs: 2 } }, "Expire"],
  ["too many later ones", { ...created, isCrowdedOut: true }, "Expire"],
  ["too many later ones, but clones need it", { ...created, isCrowdedOut: true, neededBy: ["a"] }, "Ready"],
  [
    "its time is over, but clones need it",
    { ...created, expiry: { atMs: 1, removeAtMs: 2 }, neededBy: ["a"] },
    "Ready",
  ],
  ["taken for clones that are gone", { ...created, isIdleBase: true }, "Expire"],
  ["deleted while clones need it", { ...created, isDeleting: true, neededBy: ["a"] }, "DeleteWaits/InUse"],
  [
    "deleted by force while clones need it",
    { ...created, isDeleting: true, isForcedDelete: true, neededBy: ["a"] },
    "Remove",
  ],
  ["its machine is gone", { ...created, machine: { kind: "absent" } }, "Expire"],
  [
    "its machine is gone, though it should not",
    { ...created, machine: { kind: "another" }, goesWithMachine: false },
    "Failed/VMGone",
  ],
  ["deleted before anything was made", { isDeleting: true }, "RemoveFinalizer"],
  ["deleted", { ...created, isDeleting: true }, "Remove"],
  ["half-made and deleted", { stage: "creating", isDeleting: true }, "Remove"],
  ["while it is removed", { ...created, isDeleting: true, removal: { kind: "running", startedMs: 0 } }, "Deleting"],
  ["removed", { ...created, isDeleting: true, removal: { kind: "done", result: undefined } }, "RemoveFinalizer"],
  [
    "deleted while its machine goes back to it",
    { ...created, isDeleting: true, machine: { ...machine, revertsTo: "s" } },
    "DeleteWaits/InUse",
  ],
  ["deleted where nobody can tell", { ...created, ...away, isDeleting: true }, "DeleteWaits/ProviderUnavailable"],
  ["deleted by force", { ...created, ...away, isDeleting: true, isForcedDelete: true }, "RemoveFinalizer"],
];

for (const [rule, change, expected] of rows) {
  test(`${rule}: ${expected}`, () => assert.equal(outcome(decideSnapshot({ ...wanted, ...change })), expected));
}
