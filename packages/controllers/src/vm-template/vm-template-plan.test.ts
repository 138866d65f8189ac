import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import { decideTemplate } from "./vm-template-plan.ts";
import type { TemplateInput, TemplateStep } from "./vm-template-plan.ts";

const wanted: TemplateInput = {
  nowMs: 1_000_000,
  isDeleting: false,
  hasFinalizer: true,
  isForcedDelete: false,
  stage: "none",
  isPlaced: false,
  source: { kind: "ready" },
  copy: { kind: "none" },
  removal: { kind: "none" },
  usedBy: [],
  hasIdleBase: false,
};
const copying: Partial<TemplateInput> = { stage: "copying", isPlaced: true };
const made: Partial<TemplateInput> = { stage: "made", isPlaced: true };
const failed = (code: "NoSpace" | "Unsupported", failures = 1) =>
  ({ kind: "failed", error: new ProviderError(code, "no"), failures, failedMs: 1_000_000 }) as const;

function outcome(step: TemplateStep): string {
  return step.kind === "Settle" ? step.situation.kind : step.kind;
}

const rows: readonly (readonly [string, Partial<TemplateInput>, string])[] = [
  ["first the finalizer", { hasFinalizer: false }, "AddFinalizer"],
  ["a source that is not there is waited for", { source: { kind: "waiting", reason: "r", message: "m" } }, "Waiting"],
  ["what cannot be is told", { source: { kind: "wrong", reason: "r", message: "m" } }, "Fail"],
  ["a snapshot is taken", { source: { kind: "base-due" } }, "TakeBase"],
  ["while it is taken", { source: { kind: "base-waits", message: "m" } }, "Preparing"],
  ["where it is to lie is written down first", {}, "RecordCopying"],
  ["then it is copied", copying, "Copy"],
  ["while it is copied", { ...copying, copy: { kind: "running", startedMs: 0 } }, "Copying"],
  ["a failure waits", { ...copying, copy: failed("NoSpace") }, "Waiting"],
  ["and is tried again", { ...copying, copy: failed("NoSpace"), nowMs: 1_005_000 }, "Copy"],
  ["not for ever", { ...copying, copy: failed("NoSpace", 4) }, "Fail"],
  ["nor where it never can be", { ...copying, copy: failed("Unsupported") }, "Fail"],
  ["copied", { ...copying, copy: { kind: "done", result: [] } }, "RecordMade"],
  ["the snapshot goes", { ...made, hasIdleBase: true }, "ReleaseBase"],
  ["it is there", made, "Ready"],
  ["it failed", { stage: "failed" }, "Failed"],
  ["deleted before anything was made", { isDeleting: true }, "RemoveFinalizer"],
  ["deleted after it failed early", { stage: "failed", isDeleting: true }, "RemoveFinalizer"],
  ["deleted while it is copied", { ...copying, isDeleting: true, copy: { kind: "running", startedMs: 0 } }, "StopCopy"],
  ["deleted while machines back onto it", { ...made, isDeleting: true, usedBy: ["a"] }, "DeleteWaits"],
  ["deleted by force", { ...made, isDeleting: true, isForcedDelete: true, usedBy: ["a"] }, "Remove"],
  ["deleted", { ...made, isDeleting: true }, "Remove"],
  ["while it is removed", { ...made, isDeleting: true, removal: { kind: "running", startedMs: 0 } }, "Deleting"],
  ["a removal that failed waits", { ...made, isDeleting: true, removal: failed("NoSpace") }, "DeleteWaits"],
  ["removed", { ...made, isDeleting: true, removal: { kind: "done", result: undefined } }, "RemoveFinalizer"],
];
for (const [rule, change, expected] of rows) {
  test(rule, () => assert.equal(outcome(decideTemplate({ ...wanted, ...change })), expected));
}
