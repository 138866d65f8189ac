// The VMSnapshot policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   none ──RecordCreating──► creating ──Create, RecordCreated──► created ──Expire──► deleting ──Remove, RemoveFinalizer──► gone

import type { SnapshotWish } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { ProviderError, SnapshotObservation, SnapshotProgress } from "@vivarium/provider";
import type { TaskState } from "./background-tasks.ts";
import { settle } from "./steps/step.ts";
import type { FinalizerStep, Settle } from "./steps/step.ts";

export type SnapshotTask = TaskState<void, SnapshotProgress>;

/** The machine that the snapshot is of. */
export type SnapshotMachine =
  | { readonly kind: "absent" }
  /** There is one of that name, made since: not the one that the snapshot is of. */
  | { readonly kind: "another" }
  | {
      readonly kind: "present";
      readonly uid: string;
      /** Whether anything was made for it on a hypervisor. */
      readonly isMade: boolean;
      readonly isDeleting: boolean;
      /** Name of the snapshot that it is to go back to. */
      readonly revertsTo?: string;
    };

export type SnapshotSeen =
  | { readonly kind: "unavailable"; readonly error: ProviderError }
  | { readonly kind: "seen"; readonly snapshots: readonly SnapshotObservation[] };

export interface SnapshotInput {
  readonly nowMs: number;
  readonly uid: string;
  readonly name: string;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isForcedDelete: boolean;
  readonly stage: "none" | "creating" | "created";
  readonly wish: SnapshotWish;
  readonly machine: SnapshotMachine;
  readonly seen: SnapshotSeen;
  readonly creation: SnapshotTask;
  readonly removal: SnapshotTask;
  readonly goesWithMachine: boolean;
  /** When its time is over, and when it is removed then; absent when it is kept. */
  readonly expiry?: { readonly atMs: number; readonly removeAtMs: number };
  /** More later snapshots of the machine than its policy keeps. */
  readonly isCrowdedOut: boolean;
  /** Names of linked clones that need it, and of clones that are being made of it. */
  readonly neededBy: readonly string[];
  /** It was taken for clones, and none needs it any more. */
  readonly isIdleBase: boolean;
}

export type SnapshotSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Ready"; readonly snapshot: SnapshotObservation }
  | { readonly kind: "Expired"; readonly snapshot: SnapshotObservation; readonly removeAtMs: number }
  | { readonly kind: "Creating"; readonly progress?: SnapshotProgress; readonly startedMs: number }
  | { readonly kind: "Deleting"; readonly progress?: SnapshotProgress; readonly startedMs: number }
  /** Time, or somebody else, may cure it. */
  | { readonly kind: "Waiting"; readonly reason: string; readonly message: string }
  /** The user must change something. */
  | { readonly kind: "Failed"; readonly reason: string; readonly message: string }
  | { readonly kind: "DeleteWaits"; readonly reason: string; readonly message: string };

export type SnapshotStep =
  | FinalizerStep
  /** Says, durably, of which machine one is about to be taken. */
  | { readonly kind: "RecordCreating"; readonly machine: string }
  /** Work in the background; its end asks for another look. */
  | { readonly kind: "Create" }
  | { readonly kind: "RecordCreated" }
  | { readonly kind: "Remove" }
  /** Deletes the object: its time is over, or its machine is gone. */
  | { readonly kind: "Expire"; readonly why: string }
  | Settle<SnapshotSituation>;

const soonMs = 5_000;
const lookMs = 60_000;
const hopelessMs = 300_000;
const longestRetryMs = 60_000;

export function decideSnapshot(input: SnapshotInput): SnapshotStep {
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  const { machine, stage, goesWithMachine, nowMs } = input;
  if (stage !== "none" && machine.kind !== "present") {
    if (goesWithMachine) return { kind: "Expire", why: "Its machine is gone" };
    return failed("VMGone", "Its machine is gone, and what the snapshot held with it", nowMs + hopelessMs);
  }
  return stage === "created" ? decideCreated(input) : decideCreation(input);
}

function decideCreation(input: SnapshotInput): SnapshotStep {
  const { machine, stage, wish, creation, seen, nowMs } = input;
  const [contradiction] = wish.contradictions;
  if (contradiction !== undefined) return failed("InvalidSpec", contradiction);
  if (wish.unsupported.length > 0) return failed("Unsupported", `Not supported: ${wish.unsupported.join(", ")}`);
  if (machine.kind !== "present") return waiting("VMNotFound", "Its machine does not exist", nowMs + lookMs);
  if (machine.isDeleting) return waiting("VMDeleting", "Its machine is being deleted", nowMs + lookMs);
  if (!machine.isMade) return waiting("VMNotMade", "Its machine has not been made yet", nowMs + lookMs);
  if (creation.kind === "running") return settle({ kind: "Creating", ...runOf(creation) });
  if (machine.revertsTo !== undefined) {
    return waiting("VMReverting", `Its machine is going back to snapshot "${machine.revertsTo}"`, nowMs + soonMs);
  }
  if (stage === "none") return { kind: "RecordCreating", machine: machine.uid };
  if (seen.kind === "unavailable") return waiting("ProviderUnavailable", seen.error.message, nowMs + soonMs);
  if (seen.snapshots.some(({ uid }) => uid === input.uid)) return { kind: "RecordCreated" };
  if (creation.kind === "failed") {
    const atMs = retryAtMs(creation);
    if (nowMs < atMs) return taskFailed(creation, atMs);
  }
  return { kind: "Create" };
}

function decideCreated(input: SnapshotInput): SnapshotStep {
  const { seen, nowMs, expiry } = input;
  if (seen.kind === "unavailable") return waiting("ProviderUnavailable", seen.error.message, nowMs + soonMs);
  const snapshot = seen.snapshots.find(({ uid }) => uid === input.uid);
  if (snapshot === undefined) {
    return failed(
      "SnapshotLost",
      "It was there and is gone from the hypervisor, by nobody here: delete this object",
      nowMs + lookMs,
    );
  }
  if (input.isIdleBase) return { kind: "Expire", why: "No clone needs it any more" };
  const isNeeded = input.neededBy.length > 0;
  if (input.isCrowdedOut && !isNeeded) {
    return { kind: "Expire", why: "The machine has as many later snapshots as are kept" };
  }
  if (expiry === undefined || isNeeded) return settle({ kind: "Ready", snapshot }, nowMs + lookMs);
  const { atMs, removeAtMs } = expiry;
  if (nowMs >= removeAtMs) return { kind: "Expire", why: "Its time is over" };
  return nowMs >= atMs
    ? settle({ kind: "Expired", snapshot, removeAtMs }, Math.min(removeAtMs, nowMs + lookMs))
    : settle({ kind: "Ready", snapshot }, Math.min(atMs, nowMs + lookMs));
}

function decideDelete(input: SnapshotInput): SnapshotStep {
  const { machine, stage, seen, creation, removal, nowMs } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  // Nothing was ever made, or all of it went with its machine.
  if (stage === "none" || machine.kind !== "present") return { kind: "RemoveFinalizer" };
  if (machine.revertsTo === input.name && !machine.isDeleting) {
    return settle(
      { kind: "DeleteWaits", reason: "InUse", message: "Its machine is going back to it: it is removed afterwards" },
      nowMs + soonMs,
    );
  }
  if (input.neededBy.length > 0 && !input.isForcedDelete) {
    const message = `Disks of clones back onto it: ${input.neededBy.join(", ")}. Delete them, or make them independent (viv unlink)`;
    return settle({ kind: "DeleteWaits", reason: "InUse", message }, nowMs + soonMs);
  }
  if (creation.kind === "running") {
    return settle({ kind: "DeleteWaits", reason: "Creating", message: "It is removed once it has been taken" });
  }
  switch (removal.kind) {
    case "running":
      return settle({ kind: "Deleting", ...runOf(removal) });
    case "done":
      return { kind: "RemoveFinalizer" };
    case "failed": {
      if (input.isForcedDelete) return { kind: "RemoveFinalizer" };
      const atMs = retryAtMs(removal);
      if (nowMs >= atMs) return { kind: "Remove" };
      const { reason, message } = problemOf(removal.error);
      return settle({ kind: "DeleteWaits", reason, message }, atMs);
    }
    case "none":
      if (seen.kind === "seen") return { kind: "Remove" };
      if (input.isForcedDelete) return { kind: "RemoveFinalizer" };
      return settle(
        { kind: "DeleteWaits", reason: "ProviderUnavailable", message: seen.error.message },
        nowMs + soonMs,
      );
  }
}

function runOf({ startedMs, progress }: Extract<SnapshotTask, { kind: "running" }>) {
  return { startedMs, ...(progress === undefined ? {} : { progress }) };
}

function taskFailed({ error }: Extract<SnapshotTask, { kind: "failed" }>, atMs: number): SnapshotStep {
  const { reason, message, isHopeless } = problemOf(error);
  return isHopeless ? failed(reason, message, atMs) : waiting(reason, message, atMs);
}

function problemOf(error: unknown): {
  readonly reason: string;
  readonly message: string;
  readonly isHopeless: boolean;
} {
  if (!isProviderError(error)) return { reason: "Internal", message: String(error), isHopeless: false };
  const isHopeless = error.code === "Unsupported" || error.code === "InvalidSpec";
  const reason = error.code === "Conflict" ? "ConflictOnProvider" : error.code;
  return { reason, message: error.message, isHopeless };
}

function retryAtMs({ error, failures, failedMs }: Extract<SnapshotTask, { kind: "failed" }>): number {
  if (problemOf(error).isHopeless) return failedMs + hopelessMs;
  return failedMs + Math.min(2_000 * 2 ** Math.min(failures - 1, 10), longestRetryMs);
}

function waiting(reason: string, message: string, lookAgainAtMs: number): SnapshotStep {
  return settle({ kind: "Waiting", reason, message }, lookAgainAtMs);
}

function failed(reason: string, message: string, lookAgainAtMs?: number): SnapshotStep {
  return settle({ kind: "Failed", reason, message }, lookAgainAtMs);
}
