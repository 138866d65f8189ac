// What is next for a migration to another Provider: a new VM there, from whole copies of the disks. Pure.
//
//   (shut down) ─► snapshot ─► the new VM, which waits for its disks ─► copy ─► say so on the new VM ─► it is made ─► remove what was for the way
//
// Until the copies are complete the source is untouched but for the snapshot, so that every failure ends with the source as it was.

import { isProviderError } from "@vivarium/provider";
import type { ExportedDisk, MoveProgress } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { problemOf } from "../steps/problem-of.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import type { Blocker } from "./host-move-plan.ts";
import type { MigrationTerms } from "./migration-terms.ts";

export type SnapshotState =
  | { readonly kind: "absent" }
  | { readonly kind: "waiting"; readonly message: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string };

export type NewMachine =
  | { readonly kind: "absent" }
  /** The name is another's. */
  | { readonly kind: "another" }
  | {
      readonly kind: "present";
      /** Where its disks go is known. */
      readonly isPlaced: boolean;
      readonly isMade: boolean;
      readonly isReady: boolean;
      readonly message: string;
    };

export interface ProviderMoveInput extends MigrationTerms {
  readonly blockers: readonly Blocker[];
  readonly source: "absent" | "unmade" | "on" | "off";
  /** It is to be off first, and its spec does not say so yet. */
  readonly isShutdownDue: boolean;
  readonly isOffWanted: boolean;
  readonly snapshot: SnapshotState;
  readonly target: NewMachine;
  readonly hasCopied: boolean;
  /** The new VM is to run, and that is to be seen. */
  readonly isBootChecked: boolean;
  /** What was made for the way is removed, and the source where it is not kept. */
  readonly isClean: boolean;
  readonly task: TaskState<readonly ExportedDisk[], MoveProgress>;
}

export type ProviderMoveOutcome =
  | { readonly kind: "Moved" }
  | { readonly kind: "Cancelled" }
  | { readonly kind: "Blocked"; readonly blockers: readonly Blocker[] }
  | { readonly kind: "Failed"; readonly reason: string; readonly message: string };

export type ProviderMovePhase =
  | "Pending"
  | "Snapshotting"
  | "Exporting"
  | "Transferring"
  | "Creating"
  | "Validating-Target";

export type ProviderMoveStep =
  | FinalizerStep
  | { readonly kind: "ShutDown" }
  | { readonly kind: "TakeSnapshot" }
  | { readonly kind: "CreateTarget" }
  | { readonly kind: "Copy" }
  | { readonly kind: "StopWork" }
  | { readonly kind: "RecordCopied"; readonly disks: readonly ExportedDisk[] }
  /** `keepsTarget`: false where nothing came of it. */
  | { readonly kind: "CleanUp"; readonly keepsTarget: boolean }
  | { readonly kind: "End"; readonly outcome: ProviderMoveOutcome }
  | Settle<ProviderMoveSituation>;

export type ProviderMoveSituation =
  /** As it was told. */
  | { readonly kind: "Ended" }
  | {
      readonly kind: "UnderWay";
      readonly phase: ProviderMovePhase;
      readonly message: string;
      readonly progress?: MoveProgress;
    };

const lookAgainMs = 10_000;

export function decideProviderMove(input: ProviderMoveInput): ProviderMoveStep {
  const { stage, isDeleting } = input;
  if (stage === "ended") return isDeleting ? { kind: "RemoveFinalizer" } : settle({ kind: "Ended" });
  if (!input.hasFinalizer && !isDeleting) return { kind: "AddFinalizer" };
  // Once the disks are there the new VM is made of them.
  if (input.hasCopied) return finish(input);
  if (isDeleting || input.isCancelled) return giveUp(input, { kind: "Cancelled" });
  if (input.nowMs >= input.startedAtMs + input.timeoutMs) {
    const message = `It was not done within ${Math.round(input.timeoutMs / 1000)} s (spec.options.timeout)`;
    return giveUp(input, { kind: "Failed", reason: "Timeout", message });
  }
  const { blockers } = input;
  if (blockers.some(({ isTemporary }) => isTemporary !== true)) return giveUp(input, { kind: "Blocked", blockers });
  if (blockers.length > 0) return waiting(input, "Pending", blockers.map(({ message }) => message).join("; "));
  return prepare(input);
}

function prepare(input: ProviderMoveInput): ProviderMoveStep {
  const { source, snapshot, target } = input;
  if (source === "absent") return waiting(input, "Pending", "The VirtualMachine does not exist");
  if (source === "unmade") return waiting(input, "Pending", "The VirtualMachine has no domain yet");
  if (target.kind === "another") {
    const message = "A VirtualMachine of the target's name is there already";
    return giveUp(input, { kind: "Failed", reason: "NameConflict", message });
  }
  if (input.isShutdownDue) return { kind: "ShutDown" };
  if (input.isOffWanted && source === "on" && snapshot.kind === "absent") {
    return waiting(input, "Pending", "The machine is being shut down");
  }
  switch (snapshot.kind) {
    case "absent":
      return { kind: "TakeSnapshot" };
    case "waiting":
      return waiting(input, "Snapshotting", snapshot.message);
    case "failed":
      return giveUp(input, { kind: "Failed", reason: "SnapshotFailed", message: snapshot.message });
    case "ready":
  }
  if (target.kind === "absent") return { kind: "CreateTarget" };
  return copy(input, target);
}

function copy(input: ProviderMoveInput, target: Extract<NewMachine, { kind: "present" }>): ProviderMoveStep {
  const { task, retries, nowMs } = input;
  switch (task.kind) {
    case "none":
      return target.isPlaced ? { kind: "Copy" } : waiting(input, "Exporting", target.message);
    case "running":
      return settle(
        {
          kind: "UnderWay",
          phase: task.progress === undefined ? "Exporting" : "Transferring",
          message: "The disks are copied",
          ...(task.progress === undefined ? {} : { progress: task.progress }),
        },
        nowMs + lookAgainMs,
      );
    case "done":
      return { kind: "RecordCopied", disks: task.result };
    case "failed": {
      const { error, failures, failedMs } = task;
      const { reason, message } = problemOf(error);
      const isHopeless = isProviderError(error, "Unsupported", "InvalidSpec", "Conflict");
      if (isHopeless || failures > retries.maxRetries) return giveUp(input, { kind: "Failed", reason, message });
      const atMs = failedMs + retries.delayMs * retries.multiplier ** (failures - 1);
      if (nowMs >= atMs) return { kind: "Copy" };
      return settle({ kind: "UnderWay", phase: "Pending", message: `It is tried again: ${message}` }, atMs);
    }
  }
}

function finish(input: ProviderMoveInput): ProviderMoveStep {
  const { target } = input;
  if (target.kind !== "present") {
    if (!input.isClean) return { kind: "CleanUp", keepsTarget: true };
    const message = "The new VirtualMachine was deleted meanwhile";
    return { kind: "End", outcome: { kind: "Failed", reason: "TargetGone", message } };
  }
  if (!target.isMade) return waiting(input, "Creating", target.message);
  if (input.isBootChecked && !target.isReady) return waiting(input, "Validating-Target", target.message);
  return input.isClean ? { kind: "End", outcome: { kind: "Moved" } } : { kind: "CleanUp", keepsTarget: true };
}

function giveUp(input: ProviderMoveInput, outcome: ProviderMoveOutcome): ProviderMoveStep {
  if (input.task.kind === "running") return { kind: "StopWork" };
  return input.isClean ? { kind: "End", outcome } : { kind: "CleanUp", keepsTarget: false };
}

function waiting({ nowMs }: ProviderMoveInput, phase: ProviderMovePhase, message: string): ProviderMoveStep {
  return settle({ kind: "UnderWay", phase, message }, nowMs + lookAgainMs);
}
