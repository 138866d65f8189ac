// The VMExport policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   none ─► stopping ─► copying ─► writing ─► written ─► registered
//            (off)     (template)   (file)    (digest)    (VMImage)
//
// A machine that was stopped for it is started again as soon as its disk is copied, and whatever else happens.

import { ImageError } from "@vivarium/images";
import type { ExportedFile, ExportProgress } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { problemOf } from "../steps/problem-of.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import type { TrialState } from "./trial.ts";

export interface ExportInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  /** `registered`: as an image; `kept`: as a file. */
  readonly stage:
    | "none"
    | "stopping"
    | "copying"
    | "writing"
    | "written"
    | "verified"
    | "registered"
    | "kept"
    | "dropped"
    | "failed";
  /** What is asked for; undefined where that is not exactly one thing. */
  readonly target: "image" | "file" | undefined;
  /** Until when a file is kept, once it is made. */
  readonly keptUntilMs: number;
  readonly isLive: boolean;
  /** It was stopped for this, as recorded. */
  readonly mustStart: boolean;
  /** `wish`: of its spec; `stop` is the one that is made here. */
  readonly machine:
    | { readonly kind: "gone" }
    | { readonly kind: "there"; readonly isOff: boolean; readonly wish: "run" | "stop" | "off" };
  /** The snapshot that was taken for the copy is being removed: until it is gone the hypervisor holds the disk. */
  readonly isDiskHeld: boolean;
  /** The copy of its disks. */
  readonly copy:
    | { readonly kind: "none" }
    | { readonly kind: "making"; readonly message: string; readonly percentage: number }
    | { readonly kind: "ready" }
    | { readonly kind: "failed"; readonly message: string }
    | { readonly kind: "going" };
  readonly verify: "Boot" | "Digest";
  readonly trial: TrialState;
  /** Until when the throw-away machine has to be started, and how long it may take from then. */
  readonly trialStartsUntilMs: number;
  readonly bootTimeoutMs: number;
  readonly writing: TaskState<ExportedFile, ExportProgress>;
  /** What has the name of the image: nothing, this export's, somebody else's. */
  readonly image: "none" | "ours" | "other";
}

export type ExportSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Stopping" }
  | { readonly kind: "Copying"; readonly message: string; readonly percentage: number }
  | { readonly kind: "Compressing"; readonly progress?: ExportProgress }
  | { readonly kind: "Verifying"; readonly message: string }
  | { readonly kind: "Waiting"; readonly reason: string; readonly message: string }
  /** `isThere`: what was made. */
  | { readonly kind: "Succeeded"; readonly isThere: boolean }
  /** As recorded. */
  | { readonly kind: "Failed" }
  | { readonly kind: "DeleteWaits" };

export type ExportStep =
  | FinalizerStep
  /** Says, durably, that the machine is to be started again, before it is stopped. */
  | { readonly kind: "RecordStopping" }
  | { readonly kind: "StopMachine" }
  | { readonly kind: "RecordCopying" }
  | { readonly kind: "CreateCopy" }
  | { readonly kind: "RecordWriting" }
  | { readonly kind: "StartMachine" }
  | { readonly kind: "RecordStarted" }
  /** Work in the background; its end asks for another look. */
  | { readonly kind: "Write" }
  /** Durably, so that the image that is registered is the file that there is. */
  | { readonly kind: "RecordWritten"; readonly file: ExportedFile }
  /** The throw-away image and machine, or what is missing of them. */
  | { readonly kind: "CreateTrial" }
  | { readonly kind: "RecordVerified"; readonly sign?: string }
  | { readonly kind: "DeleteTrialMachine" }
  | { readonly kind: "DeleteTrialImage" }
  | { readonly kind: "Register" }
  | { readonly kind: "RecordRegistered" }
  | { readonly kind: "RecordKept" }
  /** Its image was deleted, or it was kept for long enough. */
  | { readonly kind: "DropFile" }
  | { readonly kind: "DeleteCopy" }
  | { readonly kind: "Fail"; readonly reason: string; readonly message: string }
  | Settle<ExportSituation>;

const lookMs = 10_000;
const trialLookMs = 2_000;
const tidying = "The machine that it was booted in is being removed";
const dayMs = 86_400_000;
const startLookMs = 1_000;
const mostFailures = 4;
const firstRetryMs = 5_000;

export function decideExport(input: ExportInput): ExportStep {
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  switch (input.stage) {
    case "none":
    case "stopping":
    case "copying":
      return decideCopying(input);
    case "writing":
      return isToWait(input) ? decideWriting(input) : (startAgain(input) ?? decideWriting(input));
    case "written":
      return startAgain(input) ?? (input.image === "other" ? taken : decideTrial(input));
    case "verified":
      return endTrial(input, { kind: "Verifying", message: tidying }) ?? decideMade(input);
    case "registered":
    case "kept":
    case "dropped":
    case "failed":
      return startAgain(input) ?? decideEnd(input);
  }
}

const taken: ExportStep = {
  kind: "Fail",
  reason: "AlreadyExists",
  message: "There is a VMImage of that name already: delete it, or export to another name",
};

const notOne: ExportStep = {
  kind: "Fail",
  reason: "InvalidSpec",
  message: "spec.target needs exactly one of imageName and file",
};

function decideCopying({ stage, target, machine, image, isLive, copy, nowMs }: ExportInput): ExportStep {
  if (target === undefined) return notOne;
  // Copied already: the machine may go.
  if (stage === "copying" && copy.kind === "ready") return { kind: "RecordWriting" };
  if (machine.kind === "gone") {
    return { kind: "Fail", reason: "NotFound", message: "There is no such VirtualMachine" };
  }
  if (stage === "none") {
    if (image !== "none") return taken;
    return isLive || machine.isOff ? { kind: "RecordCopying" } : { kind: "RecordStopping" };
  }
  if (stage === "stopping") {
    if (machine.isOff) return { kind: "RecordCopying" };
    return machine.wish === "run" ? { kind: "StopMachine" } : settle({ kind: "Stopping" }, nowMs + lookMs);
  }
  switch (copy.kind) {
    case "none":
      return { kind: "CreateCopy" };
    case "failed":
      return { kind: "Fail", reason: "CopyFailed", message: copy.message };
    case "going":
      return { kind: "Fail", reason: "CopyFailed", message: "The copy of its disks was deleted meanwhile" };
    case "making": {
      const { message, percentage } = copy;
      return settle({ kind: "Copying", message, percentage }, nowMs + lookMs);
    }
    case "ready":
      return { kind: "RecordWriting" };
  }
}

/** For no longer than there is work to do meanwhile. */
function isToWait({ isDiskHeld, writing }: ExportInput): boolean {
  return isDiskHeld && (writing.kind === "none" || writing.kind === "running");
}

function decideWriting({ writing, copy, mustStart, nowMs }: ExportInput): ExportStep {
  switch (writing.kind) {
    case "done":
      return { kind: "RecordWritten", file: writing.result };
    case "running":
      return settle(
        { kind: "Compressing", ...(writing.progress === undefined ? {} : { progress: writing.progress }) },
        mustStart ? nowMs + startLookMs : undefined,
      );
    case "none":
      return copy.kind === "ready"
        ? { kind: "Write" }
        : { kind: "Fail", reason: "CopyFailed", message: "The copy of its disks was deleted meanwhile" };
    case "failed": {
      const { error, failures, failedMs } = writing;
      const { message, reason: ofProvider } = problemOf(error);
      const reason = error instanceof ImageError ? error.code : ofProvider;
      if (failures >= mostFailures || isHopeless(error)) return { kind: "Fail", reason, message };
      const atMs = failedMs + firstRetryMs * 2 ** (failures - 1);
      return nowMs >= atMs ? { kind: "Write" } : settle({ kind: "Waiting", reason, message }, atMs);
    }
  }
}

function isHopeless(error: unknown): boolean {
  if (error instanceof ImageError) return !error.retryable;
  return isProviderError(error, "Unsupported", "InvalidSpec", "NotFound");
}

/** What was made has to come up before it counts. */
function decideTrial({ verify, trial, trialStartsUntilMs, bootTimeoutMs, nowMs }: ExportInput): ExportStep {
  if (verify === "Digest") return { kind: "RecordVerified" };
  if (trial.kind !== "machine") return { kind: "CreateTrial" };
  const { is } = trial;
  switch (is.kind) {
    case "going":
      return { kind: "Fail", reason: "BootFailed", message: "The machine that it was booted in was deleted meanwhile" };
    case "failed":
      return { kind: "Fail", reason: "BootFailed", message: is.message };
    case "up":
      return { kind: "RecordVerified", sign: is.sign };
    case "starting": {
      const untilMs = is.startedMs === undefined ? trialStartsUntilMs : is.startedMs + bootTimeoutMs;
      if (nowMs < untilMs) return settle({ kind: "Verifying", message: is.message }, nowMs + trialLookMs);
      const message =
        is.startedMs === undefined
          ? `A machine of it was not started in time: ${is.message}`
          : `A machine of it did not come up within ${bootTimeoutMs / 1000} s: neither did its guest agent answer, nor its serial line say what was expected (spec.verify)`;
      return { kind: "Fail", reason: "BootTimeout", message };
    }
  }
}

/** Undefined when there is nothing left of it. */
function endTrial({ trial, nowMs }: ExportInput, situation: ExportSituation): ExportStep | undefined {
  switch (trial.kind) {
    case "none":
      return undefined;
    case "machine":
      return trial.is.kind === "going" ? settle(situation, nowMs + trialLookMs) : { kind: "DeleteTrialMachine" };
    case "image":
      return trial.isGoing ? settle(situation, nowMs + trialLookMs) : { kind: "DeleteTrialImage" };
  }
}

function decideMade({ target, image }: ExportInput): ExportStep {
  if (target === "file") return { kind: "RecordKept" };
  if (image === "none") return { kind: "Register" };
  return image === "ours" ? { kind: "RecordRegistered" } : taken;
}

function decideEnd(input: ExportInput): ExportStep {
  const { stage, copy, image, keptUntilMs, nowMs } = input;
  const ending = endTrial(input, { kind: "Failed" });
  if (ending !== undefined) return ending;
  if (copy.kind !== "none" && copy.kind !== "going") return { kind: "DeleteCopy" };
  if (stage === "failed") return settle({ kind: "Failed" });
  if (stage === "registered" && image !== "ours") return { kind: "DropFile" };
  if (stage !== "kept") return settle({ kind: "Succeeded", isThere: stage === "registered" });
  return nowMs >= keptUntilMs
    ? { kind: "DropFile" }
    : settle({ kind: "Succeeded", isThere: true }, Math.min(keptUntilMs, nowMs + dayMs));
}

function decideDelete(input: ExportInput): ExportStep {
  const { hasFinalizer, copy, image, nowMs } = input;
  if (!hasFinalizer) return settle({ kind: "Gone" });
  const start = startAgain(input);
  if (start !== undefined) return start;
  const ending = endTrial(input, { kind: "Verifying", message: tidying });
  if (ending !== undefined) return ending;
  if (copy.kind !== "none" && copy.kind !== "going") return { kind: "DeleteCopy" };
  // Machines may yet be made of the image, which is read from the file.
  if (image === "ours") return settle({ kind: "DeleteWaits" }, nowMs + lookMs);
  return { kind: "RemoveFinalizer" };
}

/** Not against a wish that somebody had since. */
function startAgain({ mustStart, machine }: ExportInput): ExportStep | undefined {
  if (!mustStart) return undefined;
  return machine.kind === "there" && machine.wish === "stop" ? { kind: "StartMachine" } : { kind: "RecordStarted" };
}
