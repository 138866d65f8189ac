import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import { decideUnlink } from "./vm-unlink-plan.ts";
import type { UnlinkInput } from "./vm-unlink-plan.ts";

const asked: UnlinkInput = {
  nowMs: 1_000_000,
  isAsked: true,
  isDeleting: false,
  isMade: true,
  isConnected: true,
  task: { kind: "none" },
};
const failed = (failures: number) =>
  ({ kind: "failed", error: new ProviderError("Conflict", "no"), failures, failedMs: 1_000_000 }) as const;

const rows: readonly (readonly [string, Partial<UnlinkInput>, string])[] = [
  ["nothing is asked", { isAsked: false }, "Forget"],
  ["a machine on its way out", { isDeleting: true }, "Forget"],
  ["a machine that is not made yet", { isMade: false }, "Wait"],
  ["a provider that is away", { isConnected: false }, "Wait"],
  ["it begins", {}, "Work"],
  ["it goes on", { task: { kind: "running", startedMs: 0 } }, "Wait"],
  ["it is done", { task: { kind: "done", result: undefined } }, "Finish"],
  ["a failure is told", { task: failed(1) }, "Tell"],
  ["and tried again after a while", { task: failed(1), nowMs: 1_005_000 }, "Work"],
  ["later each time", { task: failed(3), nowMs: 1_005_000 }, "Tell"],
];
for (const [rule, change, expected] of rows) {
  test(rule, () => assert.equal(decideUnlink({ ...asked, ...change }).kind, expected));
}

test("how far it is goes by the bytes of each disk, and by how many of them there are", () => {
  const progress = { disk: "b", diskDoneBytes: 500, diskTotalBytes: 1000, doneDisks: 1, totalDisks: 2 };
  assert.deepEqual(decideUnlink({ ...asked, task: { kind: "running", startedMs: 0, progress } }), {
    kind: "Wait",
    percentage: 75,
  });
});
