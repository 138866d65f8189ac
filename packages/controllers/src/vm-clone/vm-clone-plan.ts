// The VMClone policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   none ──TakeBase, CreateTarget, RecordTarget──► copying ──Copy, RecordCopied──► copied ──Finish──► done
//     └─────────────┬────────────────────────────────┘
//                   └──Fail──► failed ──DeleteTarget, ReleaseBase──► failed, and nothing is left
//
// The target object is the commit record: nothing is made on the hypervisor before it is there, and the machine's own controller defines
// no domain before RecordCopied. So whatever is interrupted, there is a whole clone, one that is being made, or none.

import { isProviderError } from "@vivarium/provider";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import { messageOf, problemOf } from "../steps/problem-of.ts";

export type CloneTask = TaskState<readonly ClonedDisk[], CloneProgress>;

export type CloneStage = "none" | "copying" | "copied" | "done" | "failed";

/** What the disks are made from. */
export type SourceState =
  /** Time, or somebody else, may cure it. */
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  /** The user must change something. */
  | { readonly kind: "wrong"; readonly reason: string; readonly message: string }
  /** A machine, of which a snapshot is to be taken first. */
  | { readonly kind: "base-due" }
  /** The snapshot is being taken. */
  | { readonly kind: "base-waits"; readonly message: string }
  | { readonly kind: "ready" };

/** The object that the clone becomes. */
export type TargetState =
  | { readonly kind: "absent" }
  /** There is one of that name that this clone did not make. */
  | { readonly kind: "foreign" }
  | {
      readonly kind: "made";
      readonly uid: string;
      readonly isDeleting: boolean;
      /** Its controller has said, durably, where it is to be, so that what is made there is found again. */
      readonly isPlaced: boolean;
      /** It says that its disks are whole. */
      readonly hasDisks: boolean;
      /** It has a domain. */
      readonly isDefined: boolean;
      readonly isOn: boolean;
      /** What its controller says of it. */
      readonly message?: string;
    };

export interface CloneInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly stage: CloneStage;
  /** Of the target that was recorded. */
  readonly targetUid?: string;
  readonly startedMs?: number;
  readonly timeoutMs: number;
  readonly problems: readonly string[];
  readonly source: SourceState;
  readonly target: TargetState;
  /**
   * `before-domain`: disks are copied before the target has one. `after-domain`: it makes them itself, and is made independent afterwards.
   * `none`: it makes them itself.
   */
  readonly copy: "before-domain" | "after-domain" | "none";
  readonly task: CloneTask;
  readonly retries: { readonly most: number; readonly delayMs: number; readonly multiplier: number };
  readonly powerOn: boolean;
  /** A snapshot was taken for this clone alone, and nothing needs it any more. */
  readonly hasIdleBase: boolean;
  /** A linked clone that shall be independent. */
  readonly isUnlinkDue: boolean;
}

export type CloneSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "Preparing"; readonly message: string }
  | { readonly kind: "Cloning"; readonly progress?: CloneProgress; readonly startedMs: number }
  | { readonly kind: "RetryLater"; readonly error: unknown; readonly atMs: number; readonly failures: number }
  | { readonly kind: "Customizing"; readonly message: string }
  | { readonly kind: "PoweringOn"; readonly message: string }
  | { readonly kind: "Ready" }
  /** As recorded. */
  | { readonly kind: "Failed" }
  | { readonly kind: "CleaningUp" };

export type CloneStep =
  | FinalizerStep
  /** Says when it began, from which its deadline follows. */
  | { readonly kind: "RecordStart" }
  /** Takes a snapshot of the source, or shares one that is of after the wish. */
  | { readonly kind: "TakeBase" }
  | { readonly kind: "CreateTarget" }
  /** Says, durably, which machine's disks are about to be made. */
  | { readonly kind: "RecordTarget"; readonly uid: string }
  /** Work in the background; its end asks for another look. */
  | { readonly kind: "Copy" }
  /** Says, durably, on the target too, that the disks are whole. */
  | { readonly kind: "RecordCopied"; readonly disks: readonly ClonedDisk[] }
  | { readonly kind: "ReleaseBase" }
  | { readonly kind: "Finish" }
  /** Asks the target's own controllers to make it independent. */
  | { readonly kind: "AskUnlink" }
  | { readonly kind: "Fail"; readonly reason: string; readonly message: string }
  | { readonly kind: "StopCopy" }
  | { readonly kind: "DeleteTarget" }
  | Settle<CloneSituation>;

const lookMs = 10_000;

export function decideClone(input: CloneInput): CloneStep {
  if (input.isDeleting) return decideDelete(input);
  switch (input.stage) {
    case "done":
      if (input.hasIdleBase) return { kind: "ReleaseBase" };
      if (input.isUnlinkDue) return { kind: "AskUnlink" };
      return input.hasFinalizer ? { kind: "RemoveFinalizer" } : settle({ kind: "Ready" });
    case "failed":
      return tidy(input) ?? (input.hasFinalizer ? { kind: "RemoveFinalizer" } : settle({ kind: "Failed" }));
    case "none":
    case "copying":
    case "copied":
      return decideMaking(input);
  }
}

function decideMaking(input: CloneInput): CloneStep {
  const { nowMs, startedMs, timeoutMs, stage } = input;
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  if (startedMs === undefined) return { kind: "RecordStart" };
  const [problem] = input.problems;
  if (problem !== undefined) return { kind: "Fail", reason: "InvalidSpec", message: input.problems.join("; ") };
  const deadlineMs = startedMs + timeoutMs;
  const step = stage === "none" ? decideTarget(input) : decideTargetMade(input);
  if (step.kind !== "Settle") return step;
  // What is on its way is what the message is about.
  if (nowMs >= deadlineMs) {
    const message = `Not made within ${timeoutMs / 1000} s (spec.options.timeout)${waitsFor(step.situation)}`;
    return { kind: "Fail", reason: "DeadlineExceeded", message };
  }
  return { ...step, lookAgainAtMs: Math.min(step.lookAgainAtMs ?? nowMs + lookMs, deadlineMs) };
}

/** Nothing is made yet. */
function decideTarget({ source, target, nowMs }: CloneInput): CloneStep {
  switch (source.kind) {
    case "wrong":
      return { kind: "Fail", reason: source.reason, message: source.message };
    case "waiting":
      return settle({ kind: "Waiting", reason: source.reason, message: source.message }, nowMs + lookMs);
    case "base-due":
      return { kind: "TakeBase" };
    case "base-waits":
      return settle({ kind: "Preparing", message: source.message });
    case "ready":
      break;
  }
  switch (target.kind) {
    case "absent":
      return { kind: "CreateTarget" };
    case "foreign":
      return { kind: "Fail", reason: "TargetExists", message: "There is a VirtualMachine of the target's name" };
    case "made":
      return { kind: "RecordTarget", uid: target.uid };
  }
}

function decideTargetMade(input: CloneInput): CloneStep {
  const { target, targetUid, stage, source, copy, task } = input;
  if (target.kind !== "made" || target.uid !== targetUid || target.isDeleting) {
    return { kind: "Fail", reason: "TargetDeleted", message: "The target was deleted while it was made" };
  }
  if (stage === "copying") {
    if (copy === "none" || target.hasDisks) return { kind: "RecordCopied", disks: [] };
    const isTime = copy === "before-domain" ? target.isPlaced : target.isDefined;
    if (!isTime) return settle({ kind: "Preparing", message: target.message ?? "The target is being prepared" });
    if (copy === "before-domain" && task.kind === "none" && source.kind !== "ready") {
      const message = "message" in source ? source.message : "Its snapshot is gone";
      return { kind: "Fail", reason: "SourceNotFound", message: `The source went away: ${message}` };
    }
    return decideCopy(input);
  }
  if (!target.isDefined) return settle({ kind: "Customizing", message: target.message ?? "The target is being made" });
  if (input.powerOn && !target.isOn) {
    return settle({ kind: "PoweringOn", message: target.message ?? "The target is being started" });
  }
  return { kind: "Finish" };
}

function decideCopy({ task, retries, nowMs }: CloneInput): CloneStep {
  switch (task.kind) {
    case "none":
      return { kind: "Copy" };
    case "running": {
      const { startedMs, progress } = task;
      return settle({ kind: "Cloning", startedMs, ...(progress === undefined ? {} : { progress }) });
    }
    case "done":
      return { kind: "RecordCopied", disks: task.result };
    case "failed": {
      const { error, failures, failedMs } = task;
      const isHopeless = isProviderError(error, "Unsupported", "InvalidSpec", "NotFound");
      if (isHopeless || failures > retries.most) {
        const { reason, message } = problemOf(error);
        const tries = failures > 1 ? `, ${failures} times` : "";
        return { kind: "Fail", reason, message: `The disks could not be made${tries}: ${message}` };
      }
      const atMs = failedMs + retries.delayMs * retries.multiplier ** (failures - 1);
      return nowMs >= atMs ? { kind: "Copy" } : settle({ kind: "RetryLater", error, atMs, failures }, atMs);
    }
  }
}

/** What a clone that is given up, or not wanted any more, leaves behind. */
function tidy({ task, target, targetUid, hasIdleBase, nowMs }: CloneInput): CloneStep | undefined {
  if (task.kind !== "none") return { kind: "StopCopy" };
  if (target.kind === "made" && (targetUid === undefined || target.uid === targetUid)) {
    return target.isDeleting ? settle({ kind: "CleaningUp" }, nowMs + lookMs) : { kind: "DeleteTarget" };
  }
  return hasIdleBase ? { kind: "ReleaseBase" } : undefined;
}

function decideDelete(input: CloneInput): CloneStep {
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  if (input.stage === "done") return input.hasIdleBase ? { kind: "ReleaseBase" } : { kind: "RemoveFinalizer" };
  return tidy(input) ?? { kind: "RemoveFinalizer" };
}

function waitsFor(situation: CloneSituation): string {
  switch (situation.kind) {
    case "Waiting":
    case "Preparing":
    case "Customizing":
    case "PoweringOn":
      return `; it waited for: ${situation.message}`;
    case "RetryLater":
      return `; the disks could not be made: ${messageOf(situation.error)}`;
    case "Cloning":
      return "; its disks were being copied";
    case "Gone":
    case "Ready":
    case "Failed":
    case "CleaningUp":
      return "";
  }
}
