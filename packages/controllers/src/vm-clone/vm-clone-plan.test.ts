import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import * as fc from "fast-check";
import { decideClone } from "./vm-clone-plan.ts";
import type { CloneInput, CloneStep, TargetState } from "./vm-clone-plan.ts";

const target = {
  kind: "made",
  uid: "t",
  isDeleting: false,
  isPlaced: true,
  hasDisks: false,
  isDefined: false,
  isOn: false,
} as const;

const wanted: CloneInput = {
  nowMs: 1_000_000,
  isDeleting: false,
  hasFinalizer: true,
  stage: "none",
  startedMs: 1_000_000,
  timeoutMs: 60_000,
  problems: [],
  source: { kind: "ready" },
  target: { kind: "absent" },
  copy: "before-domain",
  task: { kind: "none" },
  retries: { most: 3, delayMs: 10_000, multiplier: 2 },
  powerOn: true,
  hasIdleBase: false,
  isUnlinkDue: false,
};
const copying: Partial<CloneInput> = { stage: "copying", targetUid: "t", target };
const copied: Partial<CloneInput> = { stage: "copied", targetUid: "t", target };
const failed = (code: "NoSpace" | "Unsupported", failures = 1) =>
  ({ kind: "failed", error: new ProviderError(code, "no"), failures, failedMs: 1_000_000 }) as const;

function outcome(step: CloneStep): string {
  if (step.kind === "Fail") return `Fail/${step.reason}`;
  return step.kind === "Settle" ? step.situation.kind : step.kind;
}

const rows: readonly (readonly [string, Partial<CloneInput>, string])[] = [
  ["first the finalizer", { hasFinalizer: false }, "AddFinalizer"],
  ["its time begins", { nowMs: 5 }, "CreateTarget"],
  ["what is wrong is told before anything is made", { problems: ["p"] }, "Fail/InvalidSpec"],
  ["a source that is not there is waited for", { source: { kind: "waiting", reason: "r", message: "m" } }, "Waiting"],
  [
    "but not for ever",
    { source: { kind: "waiting", reason: "r", message: "m" }, nowMs: 1_060_000 },
    "Fail/DeadlineExceeded",
  ],
  [
    "what cannot be a source",
    { source: { kind: "wrong", reason: "UnsupportedSource", message: "m" } },
    "Fail/UnsupportedSource",
  ],
  ["a snapshot is taken", { source: { kind: "base-due" } }, "TakeBase"],
  ["while it is taken", { source: { kind: "base-waits", message: "m" } }, "Preparing"],
  ["then the target is made", {}, "CreateTarget"],
  ["somebody else's machine is not touched", { target: { kind: "foreign" } }, "Fail/TargetExists"],
  ["one that an earlier try made is ours", { target }, "RecordTarget"],
  ["nothing is copied before it is said where", { ...copying, target: { ...target, isPlaced: false } }, "Preparing"],
  ["the disks are copied", copying, "Copy"],
  ["while they are copied", { ...copying, task: { kind: "running", startedMs: 0 } }, "Cloning"],
  ["a failure waits", { ...copying, task: failed("NoSpace") }, "RetryLater"],
  ["and is tried again", { ...copying, task: failed("NoSpace"), nowMs: 1_010_000 }, "Copy"],
  ["later each time", { ...copying, task: failed("NoSpace", 2), nowMs: 1_010_000 }, "RetryLater"],
  ["as often as is wished", { ...copying, task: failed("NoSpace", 4) }, "Fail/NoSpace"],
  ["what never can be is not tried again", { ...copying, task: failed("Unsupported") }, "Fail/Unsupported"],
  ["copied", { ...copying, task: { kind: "done", result: [] } }, "RecordCopied"],
  ["copied, as the target itself says", { ...copying, target: { ...target, hasDisks: true } }, "RecordCopied"],
  ["a target that was deleted", { ...copying, target: { kind: "absent" } }, "Fail/TargetDeleted"],
  ["another one in its place", { ...copying, target: { ...target, uid: "other" } }, "Fail/TargetDeleted"],
  ["the source went away before the copy began", { ...copying, source: { kind: "base-due" } }, "Fail/SourceNotFound"],
  ["an image's machine makes its own disk", { ...copying, copy: "none" }, "RecordCopied"],
  ["one that is made independent is defined first", { ...copying, copy: "after-domain" }, "Preparing"],
  ["then drawn in", { ...copying, copy: "after-domain", target: { ...target, isDefined: true } }, "Copy"],
  ["the machine is made", copied, "Customizing"],
  ["and started", { ...copied, target: { ...target, isDefined: true } }, "PoweringOn"],
  ["where that is wished", { ...copied, powerOn: false, target: { ...target, isDefined: true } }, "Finish"],
  ["it runs", { ...copied, target: { ...target, isDefined: true, isOn: true } }, "Finish"],
  ["the snapshot that nothing needs goes", { stage: "done", hasIdleBase: true }, "ReleaseBase"],
  ["nothing holds the object then", { stage: "done" }, "RemoveFinalizer"],
  ["done", { stage: "done", hasFinalizer: false }, "Ready"],
  ["a linked clone that shall be full", { stage: "done", hasFinalizer: false, isUnlinkDue: true }, "AskUnlink"],
  ["what failed is removed", { ...copying, stage: "failed" }, "DeleteTarget"],
  ["with its work stopped first", { ...copying, stage: "failed", task: failed("NoSpace") }, "StopCopy"],
  ["while it is removed", { ...copying, stage: "failed", target: { ...target, isDeleting: true } }, "CleaningUp"],
  ["and its snapshot", { stage: "failed", hasIdleBase: true }, "ReleaseBase"],
  ["somebody else's machine stays", { stage: "failed", target: { kind: "foreign" } }, "RemoveFinalizer"],
  ["deleted while it is made", { ...copying, isDeleting: true }, "DeleteTarget"],
  ["deleted after it was made: the machine stays", { stage: "done", isDeleting: true, target }, "RemoveFinalizer"],
  ["deleted and gone", { isDeleting: true, hasFinalizer: false }, "Gone"],
];
for (const [rule, change, expected] of rows) {
  test(rule, () => assert.equal(outcome(decideClone({ ...wanted, ...change })), expected));
}

/** A world in which each step may be taken, fail, or be cut off by a kill, after which what is only in memory is gone. */
interface World {
  input: CloneInput;
  domains: number;
  copies: number;
  wholeDisks: boolean;
}

function take(world: World, step: CloneStep, luck: number): void {
  const change = (next: Partial<CloneInput>): void => void (world.input = { ...world.input, ...next });
  const made = world.input.target.kind === "made" ? world.input.target : undefined;
  const turn = (next: Partial<Extract<TargetState, { kind: "made" }>>): void => {
    if (made !== undefined) change({ target: { ...made, ...next } });
  };
  switch (step.kind) {
    case "AddFinalizer":
      return change({ hasFinalizer: true });
    case "RecordStart":
      return change({ startedMs: world.input.nowMs });
    case "TakeBase":
      return change({ source: { kind: "ready" } });
    case "CreateTarget":
      return change({ target: { ...target, isPlaced: false } });
    case "RecordTarget":
      return change({ stage: "copying", targetUid: step.uid });
    case "Copy":
      assert.equal(world.domains, 0, "disks are never copied under a domain");
      world.copies += 1;
      if (luck < 0.3) {
        const failures = world.input.task.kind === "failed" ? world.input.task.failures + 1 : 1;
        return change({
          task: { kind: "failed", error: new Error("bad luck"), failures, failedMs: world.input.nowMs },
        });
      }
      world.wholeDisks = true;
      return change({ task: { kind: "done", result: [{ name: "root", sizeBytes: 1 }] } });
    case "RecordCopied":
      turn({ hasDisks: true });
      return change({ stage: "copied", task: { kind: "none" } });
    case "ReleaseBase":
      return change({ hasIdleBase: false });
    case "Finish":
      return change({ stage: "done" });
    case "AskUnlink":
      return change({ isUnlinkDue: false });
    case "Fail":
      return change({ stage: "failed" });
    case "StopCopy":
      return change({ task: { kind: "none" } });
    case "DeleteTarget":
      world.domains = 0;
      return change({ target: { kind: "absent" } });
    case "RemoveFinalizer":
      return change({ hasFinalizer: false });
    case "Settle":
      return undefined;
  }
}

test("whatever fails or is killed when, there is one whole clone or none in the end", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ luck: fc.double({ min: 0, max: 1, noNaN: true }), isKilled: fc.boolean() }), {
        minLength: 40,
        maxLength: 80,
      }),
      fc.boolean(),
      fc.integer({ min: 0, max: 60 }),
      (turns, powerOn, deletedAt) => {
        const world: World = {
          input: { ...wanted, powerOn, source: { kind: "base-due" }, hasFinalizer: false },
          domains: 0,
          copies: 0,
          wholeDisks: false,
        };
        for (const [index, { luck, isKilled }] of [...turns, ...turns, ...turns].entries()) {
          const at = world.input;
          world.input = {
            ...at,
            nowMs: at.nowMs + 2_000,
            isDeleting: at.isDeleting || index === deletedAt,
            // A killed process forgets its work, whole or not.
            ...(isKilled && luck > 0.8 ? { task: { kind: "none" } } : {}),
          };
          const step = decideClone(world.input);
          take(world, step, luck);
          // The machine's own controller does its part.
          const { target: now } = world.input;
          if (now.kind !== "made") continue;
          const isDefined = now.isDefined || now.hasDisks;
          if (isDefined) assert.ok(world.wholeDisks, "no domain before its disks are whole");
          world.domains = isDefined ? 1 : 0;
          world.input = { ...world.input, target: { ...now, isPlaced: true, isDefined, isOn: isDefined && powerOn } };
        }
        const { stage, target: left, hasFinalizer, isDeleting } = world.input;
        assert.equal(hasFinalizer, false, `stage ${stage}`);
        if (stage === "done") assert.equal(world.domains, 1);
        else assert.deepEqual([left.kind, world.domains], ["absent", 0], `stage ${stage}, deleting ${isDeleting}`);
      },
    ),
    { numRuns: 500 },
  );
});
