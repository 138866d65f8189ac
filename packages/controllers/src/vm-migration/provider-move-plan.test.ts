import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import type { FinalizerStep, OwnStep } from "../steps/step.ts";
import { decideProviderMove } from "./provider-move-plan.ts";
import type { NewMachine, ProviderMoveInput, ProviderMovePhase, ProviderMoveStep } from "./provider-move-plan.ts";

const there: NewMachine = { kind: "present", isPlaced: true, isMade: false, isReady: false, message: "" };
const base: ProviderMoveInput = {
  nowMs: 1_000,
  isDeleting: false,
  hasFinalizer: true,
  isCancelled: false,
  stage: "moving",
  blockers: [],
  source: "on",
  isShutdownDue: false,
  isOffWanted: false,
  snapshot: { kind: "ready" },
  target: there,
  hasCopied: false,
  isBootChecked: false,
  isClean: false,
  task: { kind: "none" },
  retries: { maxRetries: 1, delayMs: 60_000, multiplier: 2 },
  startedAtMs: 0,
  timeoutMs: 3_600_000,
};
const running: ProviderMoveInput["task"] = { kind: "running", startedMs: 0 };
const failed = (code: "Unavailable" | "Unsupported", failures: number): ProviderMoveInput["task"] => ({
  kind: "failed",
  error: new ProviderError(code, "no"),
  failures,
  failedMs: 1_000,
});
const waiting = { reason: "SourceNotReady", message: "away", isTemporary: true } as const;

/** What of the step matters. */
type Wanted =
  | Partial<OwnStep<ProviderMoveStep> | FinalizerStep>
  | {
      readonly kind: "Settle";
      readonly situation?: { readonly phase: ProviderMovePhase };
      readonly lookAgainAtMs?: number;
    };

const table: readonly (readonly [string, Partial<ProviderMoveInput>, Wanted])[] = [
  ["it is held before anything else", { hasFinalizer: false }, { kind: "AddFinalizer" }],
  [
    "what cannot be had ends it",
    { stage: "new", isClean: true, blockers: [{ reason: "Unsupported", message: "no" }] },
    { kind: "End" },
  ],
  ["what passes is waited for", { blockers: [waiting] }, { kind: "Settle", situation: { phase: "Pending" } }],
  [
    "the machine is shut down first where that is wanted",
    { isShutdownDue: true, isOffWanted: true },
    { kind: "ShutDown" },
  ],
  [
    "and off before the snapshot",
    { isOffWanted: true, snapshot: { kind: "absent" } },
    { kind: "Settle", situation: { phase: "Pending" } },
  ],
  [
    "a snapshot freezes what is copied",
    { snapshot: { kind: "absent" }, target: { kind: "absent" } },
    { kind: "TakeSnapshot" },
  ],
  [
    "the new machine is there before its disks, which bear its name",
    { target: { kind: "absent" } },
    { kind: "CreateTarget" },
  ],
  ["a name that is taken is left alone", { target: { kind: "another" }, isClean: true }, { kind: "End" }],
  [
    "its host is known before anything is sent there",
    { target: { ...there, isPlaced: false } },
    { kind: "Settle", situation: { phase: "Exporting" } },
  ],
  ["the disks are copied", {}, { kind: "Copy" }],
  ["after a restart of the server they are copied anew", { task: { kind: "none" } }, { kind: "Copy" }],
  ["the new machine is told when they are whole", { task: { kind: "done", result: [] } }, { kind: "RecordCopied" }],
  ["a failure is tried again", { task: failed("Unavailable", 1) }, { kind: "Settle", lookAgainAtMs: 61_000 }],
  [
    "as often as it may, and leaves nothing",
    { task: failed("Unavailable", 2) },
    { kind: "CleanUp", keepsTarget: false },
  ],
  ["what cannot be cured is not tried again", { task: failed("Unsupported", 1), isClean: true }, { kind: "End" }],
  ["cancelled: the work is stopped first", { isCancelled: true, task: running }, { kind: "StopWork" }],
  ["then what was begun is removed", { isCancelled: true }, { kind: "CleanUp", keepsTarget: false }],
  ["and it ends", { isCancelled: true, isClean: true }, { kind: "End", outcome: { kind: "Cancelled" } }],
  ["too long", { nowMs: 3_600_000, task: running }, { kind: "StopWork" }],
  [
    "once the disks are there it is too late to cancel",
    { hasCopied: true, isCancelled: true },
    { kind: "Settle", situation: { phase: "Creating" } },
  ],
  [
    "a machine that is to run is waited for",
    { hasCopied: true, isBootChecked: true, target: { ...there, isMade: true } },
    { kind: "Settle", situation: { phase: "Validating-Target" } },
  ],
  [
    "the way is removed at the end",
    { hasCopied: true, target: { ...there, isMade: true } },
    { kind: "CleanUp", keepsTarget: true },
  ],
  [
    "moved",
    { hasCopied: true, isClean: true, target: { ...there, isMade: true } },
    { kind: "End", outcome: { kind: "Moved" } },
  ],
  ["what has ended may go", { stage: "ended", isDeleting: true }, { kind: "RemoveFinalizer" }],
];
for (const [title, change, wanted] of table) {
  test(title, () => {
    assert.partialDeepStrictEqual(decideProviderMove({ ...base, ...change }), wanted);
  });
}
