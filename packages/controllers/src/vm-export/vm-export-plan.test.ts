import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageError } from "@vivarium/images";
import { ProviderError } from "@vivarium/provider";
import { decideExport } from "./vm-export-plan.ts";
import type { ExportInput, ExportStep } from "./vm-export-plan.ts";
import type { TrialMachine } from "./trial.ts";

const on = { kind: "there", isOff: false, wish: "run" } as const;
const stopping = { kind: "there", isOff: false, wish: "stop" } as const;
const off = { kind: "there", isOff: true, wish: "stop" } as const;
const file = { path: "/x", digest: "sha256:x", sizeBytes: 1, virtualSizeBytes: 2 };
const wanted: ExportInput = {
  nowMs: 1_000_000,
  isDeleting: false,
  hasFinalizer: true,
  stage: "none",
  target: "image",
  keptUntilMs: Infinity,
  isLive: false,
  mustStart: false,
  machine: on,
  isDiskHeld: false,
  copy: { kind: "none" },
  writing: { kind: "none" },
  image: "none",
  verify: "Boot",
  trial: { kind: "none" },
  trialStartsUntilMs: 1_060_000,
  bootTimeoutMs: 30_000,
};
const trial = (is: TrialMachine): ExportInput["trial"] => ({ kind: "machine", is });
const up = trial({ kind: "up", sign: "it said so" });
const failed = (error: Error, failures = 1) => ({ kind: "failed", error, failures, failedMs: 1_000_000 }) as const;
const copying: Partial<ExportInput> = { stage: "copying", machine: off, mustStart: true };
const writing: Partial<ExportInput> = { stage: "writing", copy: { kind: "ready" } };
const isFull = new ImageError("DiskFull", "full");

function outcome(step: ExportStep): string {
  return step.kind === "Settle" ? step.situation.kind : step.kind;
}

const rows: readonly (readonly [string, Partial<ExportInput>, string])[] = [
  ["first the finalizer", { hasFinalizer: false }, "AddFinalizer"],
  ["a name that is taken is told before anything is done", { image: "other" }, "Fail"],
  ["a machine that is not there too", { machine: { kind: "gone" } }, "Fail"],
  ["what is to be started again is written down first", {}, "RecordStopping"],
  ["one that is off is not stopped", { machine: off }, "RecordCopying"],
  ["nor one that is to go on", { isLive: true }, "RecordCopying"],
  ["then it is stopped", { stage: "stopping", mustStart: true }, "StopMachine"],
  ["and waited for", { stage: "stopping", mustStart: true, machine: stopping }, "Stopping"],
  ["when it is off it is copied", { stage: "stopping", mustStart: true, machine: off }, "RecordCopying"],
  ["copied", copying, "CreateCopy"],
  ["while it is copied", { ...copying, copy: { kind: "making", message: "m", percentage: 1 } }, "Copying"],
  ["a copy that failed ends it", { ...copying, copy: { kind: "failed", message: "m" } }, "Fail"],
  ["a copy that was deleted too", { ...copying, copy: { kind: "going" } }, "Fail"],
  [
    "a whole copy needs no machine",
    { ...copying, machine: { kind: "gone" }, copy: { kind: "ready" } },
    "RecordWriting",
  ],
  ["a machine runs again before it is compressed", { ...writing, machine: off, mustStart: true }, "StartMachine"],
  ["not while its disk is held", { ...writing, machine: off, mustStart: true, isDiskHeld: true }, "Write"],
  [
    "but when there is nothing else to do",
    { ...writing, machine: off, mustStart: true, isDiskHeld: true, writing: { kind: "done", result: file } },
    "StartMachine",
  ],
  ["which is written down", { ...writing, mustStart: true }, "RecordStarted"],
  [
    "a wish of somebody else stands",
    { ...writing, mustStart: true, machine: { ...off, wish: "off" } },
    "RecordStarted",
  ],
  ["compressed", writing, "Write"],
  ["not without the copy", { ...writing, copy: { kind: "none" } }, "Fail"],
  ["while it is compressed", { ...writing, writing: { kind: "running", startedMs: 0 } }, "Compressing"],
  ["a failure waits", { ...writing, writing: failed(isFull) }, "Waiting"],
  ["and is tried again", { ...writing, nowMs: 1_005_000, writing: failed(isFull) }, "Write"],
  ["not for ever", { ...writing, writing: failed(isFull, 4) }, "Fail"],
  ["nor where it never can be", { ...writing, writing: failed(new ProviderError("NotFound", "no")) }, "Fail"],
  [
    "the digest is written down before it is registered",
    { ...writing, writing: { kind: "done", result: file } },
    "RecordWritten",
  ],
  ["what was made is booted", { stage: "written" }, "CreateTrial"],
  ["with a machine of its own", { stage: "written", trial: { kind: "image", isGoing: false } }, "CreateTrial"],
  ["not where that is not asked for", { stage: "written", verify: "Digest" }, "RecordVerified"],
  ["nor where the name was taken meanwhile", { stage: "written", image: "other" }, "Fail"],
  [
    "while it boots",
    { stage: "written", trial: trial({ kind: "starting", message: "m", startedMs: 999_000 }) },
    "Verifying",
  ],
  ["for a while", { stage: "written", trial: trial({ kind: "starting", message: "m", startedMs: 970_000 }) }, "Fail"],
  [
    "before it boots it has longer",
    { stage: "written", trial: trial({ kind: "starting", message: "m" }) },
    "Verifying",
  ],
  [
    "but not for ever",
    { stage: "written", nowMs: 1_060_000, trial: trial({ kind: "starting", message: "m" }) },
    "Fail",
  ],
  ["one that goes off has failed", { stage: "written", trial: trial({ kind: "failed", message: "m" }) }, "Fail"],
  ["one that is deleted too", { stage: "written", trial: trial({ kind: "going" }) }, "Fail"],
  ["one that comes up is written down", { stage: "written", trial: up }, "RecordVerified"],
  ["and goes", { stage: "verified", trial: up }, "DeleteTrialMachine"],
  ["while it goes", { stage: "verified", trial: trial({ kind: "going" }) }, "Verifying"],
  ["its image after it", { stage: "verified", trial: { kind: "image", isGoing: false } }, "DeleteTrialImage"],
  ["while that goes", { stage: "verified", trial: { kind: "image", isGoing: true } }, "Verifying"],
  ["registered", { stage: "verified" }, "Register"],
  ["once", { stage: "verified", image: "ours" }, "RecordRegistered"],
  ["not over somebody else's", { stage: "verified", image: "other" }, "Fail"],
  ["what failed leaves no machine", { stage: "failed", trial: up }, "DeleteTrialMachine"],
  ["nor what is deleted", { stage: "written", isDeleting: true, trial: up }, "DeleteTrialMachine"],
  ["the copy goes", { stage: "registered", image: "ours", copy: { kind: "ready" } }, "DeleteCopy"],
  ["it is there", { stage: "registered", image: "ours" }, "Succeeded"],
  ["the file goes with its image", { stage: "registered" }, "DropFile"],
  ["for good", { stage: "dropped", image: "other" }, "Succeeded"],
  ["a file is kept", { target: "file", stage: "verified" }, "RecordKept"],
  ["for a while", { target: "file", stage: "kept", keptUntilMs: 1_000_001 }, "Succeeded"],
  ["and no longer", { target: "file", stage: "kept", keptUntilMs: 1_000_000 }, "DropFile"],
  ["what asks for both or neither is told", { target: undefined }, "Fail"],
  ["a failure starts the machine", { stage: "failed", mustStart: true, machine: off }, "StartMachine"],
  ["removes the copy", { stage: "failed", copy: { kind: "failed", message: "m" } }, "DeleteCopy"],
  ["and is told", { stage: "failed" }, "Failed"],
  ["deleted, the machine is started", { ...copying, isDeleting: true }, "StartMachine"],
  ["the copy goes when deleted", { ...writing, isDeleting: true }, "DeleteCopy"],
  [
    "an image that is read from it is waited for",
    { isDeleting: true, stage: "registered", image: "ours" },
    "DeleteWaits",
  ],
  ["deleted", { isDeleting: true }, "RemoveFinalizer"],
];
for (const [rule, change, expected] of rows) {
  test(rule, () => assert.equal(outcome(decideExport({ ...wanted, ...change })), expected));
}

/** One step on a world of little more than the input; what takes time has passed at once. */
function after(input: ExportInput, step: ExportStep): ExportInput {
  switch (step.kind) {
    case "AddFinalizer":
      return { ...input, hasFinalizer: true };
    case "RecordStopping":
      return { ...input, stage: "stopping", mustStart: true };
    case "StopMachine":
      return { ...input, machine: off };
    case "RecordCopying":
      return { ...input, stage: "copying" };
    case "CreateCopy":
      return { ...input, copy: { kind: "ready" } };
    case "RecordWriting":
      return { ...input, stage: "writing" };
    case "StartMachine":
      return { ...input, machine: on };
    case "RecordStarted":
      return { ...input, mustStart: false };
    case "Write":
      return { ...input, writing: { kind: "done", result: file } };
    case "RecordWritten":
      return { ...input, stage: "written", writing: { kind: "none" } };
    case "CreateTrial":
      return { ...input, trial: up };
    case "RecordVerified":
      return { ...input, stage: "verified" };
    case "DeleteTrialMachine":
      return { ...input, trial: { kind: "image", isGoing: false } };
    case "DeleteTrialImage":
      return { ...input, trial: { kind: "none" } };
    case "Register":
      return { ...input, image: "ours" };
    case "RecordRegistered":
      return { ...input, stage: "registered" };
    case "RecordKept":
      return { ...input, stage: "kept" };
    case "DropFile":
      return { ...input, stage: "dropped" };
    case "DeleteCopy":
      return { ...input, copy: { kind: "none" } };
    case "Fail":
      return { ...input, stage: "failed" };
    case "RemoveFinalizer":
      return { ...input, hasFinalizer: false };
    case "Settle":
      return input;
  }
}

/** The server is killed after this many steps: what it had in memory is gone. */
function runTo(end: { readonly crashAfter: number; readonly deleteAfter: number }): ExportInput {
  let input: ExportInput = { ...wanted, hasFinalizer: false };
  for (let count = 0; count < 60; count += 1) {
    if (count === end.crashAfter) input = { ...input, writing: { kind: "none" } };
    if (count === end.deleteAfter) input = { ...input, isDeleting: true };
    const step = decideExport(input);
    if (step.kind === "Settle") {
      if (count > Math.max(end.crashAfter, end.deleteAfter)) return input;
      continue;
    }
    input = after(input, step);
    if (step.kind === "RemoveFinalizer") return input;
  }
  return assert.fail("it never ended");
}

test("a server that is killed after any step ends with one image, no copy, and the machine as it was", () => {
  for (let crashAfter = 0; crashAfter < 20; crashAfter += 1) {
    const { stage, image, copy, machine, trial } = runTo({ crashAfter, deleteAfter: -1 });
    const none = { kind: "none" };
    assert.deepEqual([stage, image, copy, machine, trial], ["registered", "ours", none, on, none], `${crashAfter}`);
  }
});

test("an export that is deleted after any step leaves no copy, and the machine as it was", () => {
  for (let deleteAfter = 0; deleteAfter < 20; deleteAfter += 1) {
    const { image, copy, machine, trial, hasFinalizer } = runTo({ crashAfter: deleteAfter, deleteAfter });
    assert.deepEqual([copy, machine, trial], [{ kind: "none" }, on, { kind: "none" }], `${deleteAfter}`);
    assert.equal(hasFinalizer, image === "ours");
  }
});
