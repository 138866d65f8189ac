// The Volume policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   absent ──RecordCreating, Create, RecordCreated──► there ──Grow──► there        deleted: Remove, once nothing needs it
//
// A volume that is there counts only once `Created` is written: until then it may be half a copy of a server that died, and it is made
// again. One that is missing afterwards is Lost: it held data, and an empty one in its place would hide that.

import type { ProviderError, VolumeCreation, VolumeObservation, VolumeRef } from "@vivarium/provider";
import type { StorageProblem } from "./storage-pool-plan.ts";

export type StorageResolved<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: StorageProblem };

/** How the volume is made. */
export type VolumeMaking =
  | {
      readonly kind: "create";
      readonly creation: VolumeCreation;
      /** Written at once, as far as that can be told. */
      readonly allocateBytes: number;
    }
  /** Fetched by the server, then sent. */
  | { readonly kind: "fetch"; readonly url: string; readonly checksum?: string; readonly format: "qcow2" | "raw" };

export interface VolumeInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isForcedDelete: boolean;
  readonly isProtected: boolean;
  readonly stage: "none" | "creating" | "created";
  /** Where it lies, or why that cannot be told. */
  readonly place: StorageResolved<VolumeRef>;
  readonly making: StorageResolved<VolumeMaking>;
  /** Declared; absent where the source decides. */
  readonly sizeBytes?: number;
  /** Why the pool cannot take what is wanted now. */
  readonly refusal?: string;
  readonly seen: VolumeObservation | { readonly kind: "unavailable"; readonly error: ProviderError };
  /** Machines whose spec names it. */
  readonly referrers: readonly string[];
  /** What has it on the hypervisor, by the names that users know. */
  readonly users: readonly string[];
  readonly done: ReadonlySet<VolumeStep["kind"]>;
}

export type VolumeSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Ready" }
  | { readonly kind: "ShrinkRefused"; readonly sizeBytes: number }
  | { readonly kind: "GrowRefused"; readonly why: string }
  | { readonly kind: "Lost" }
  | { readonly kind: "Waiting"; readonly problem: StorageProblem }
  | { readonly kind: "Failed"; readonly problem: StorageProblem }
  | { readonly kind: "Unavailable"; readonly message: string }
  | { readonly kind: "Protected" }
  | { readonly kind: "InUse"; readonly users: readonly string[] }
  | { readonly kind: "Working"; readonly step: VolumeStep["kind"] };

export type VolumeStep =
  | { readonly kind: "AddFinalizer" }
  | { readonly kind: "RecordCreating"; readonly volume: VolumeRef }
  /** Removes what an earlier try left, whole or not. */
  | { readonly kind: "Discard"; readonly volume: VolumeRef }
  | { readonly kind: "Create"; readonly volume: VolumeRef; readonly making: VolumeMaking }
  | { readonly kind: "RecordCreated" }
  | { readonly kind: "Grow"; readonly volume: VolumeRef; readonly sizeBytes: number }
  | { readonly kind: "Remove"; readonly volume: VolumeRef }
  | { readonly kind: "RemoveFinalizer" }
  | { readonly kind: "Settle"; readonly situation: VolumeSituation; readonly lookAgainAtMs?: number };

/** Nobody tells when a volume is removed behind our back. */
const lookMs = 20_000;
const soonMs = 10_000;
/** Who waits for a deletion waits at a prompt. */
const inUseMs = 2_500;

/** Reasons that only time, or somebody else, cures; the others want the user. */
const waitingReasons = new Set(["PoolNotReady", "PoolNotFound", "SourceNotReady", "SourceNotFound"]);

export function decideVolume(input: VolumeInput): VolumeStep {
  const { seen, stage, place, making, nowMs } = input;
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  if (!place.ok) return blocked(place.problem, nowMs);
  const volume = place.value;
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", message: seen.error.message }, nowMs + soonMs);
    case "pool-away":
      return settle({ kind: "Unavailable", message: seen.reason }, nowMs + soonMs);
    case "absent":
      if (stage === "created") return settle({ kind: "Lost" }, nowMs + lookMs);
      if (!making.ok) return blocked(making.problem, nowMs);
      if (input.refusal !== undefined) {
        const problem = { reason: "PoolFull", message: `The pool cannot take it: ${input.refusal}` };
        return settle({ kind: "Waiting", problem }, nowMs + soonMs);
      }
      if (stage === "none") return { kind: "RecordCreating", volume };
      return { kind: "Create", volume, making: making.value };
    case "present":
      break;
  }
  // Only this look knows that its own Create came to its end.
  if (stage === "creating") return input.done.has("Create") ? { kind: "RecordCreated" } : { kind: "Discard", volume };
  // The record is lost, the volume is not.
  if (stage === "none") return { kind: "RecordCreated" };
  const { sizeBytes } = input;
  if (sizeBytes === undefined || sizeBytes === seen.capacityBytes) return settle({ kind: "Ready" }, nowMs + lookMs);
  if (sizeBytes < seen.capacityBytes) {
    return settle({ kind: "ShrinkRefused", sizeBytes: seen.capacityBytes }, nowMs + lookMs);
  }
  if (input.refusal !== undefined) return settle({ kind: "GrowRefused", why: input.refusal }, nowMs + soonMs);
  return { kind: "Grow", volume, sizeBytes };
}

function decideDelete(input: VolumeInput): VolumeStep {
  const { seen, nowMs, place, referrers, users } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  // Nothing was ever made.
  if (input.stage === "none") return { kind: "RemoveFinalizer" };
  if (input.isProtected) return settle({ kind: "Protected" });
  const needing = [...new Set([...referrers, ...users])];
  if (needing.length > 0) return settle({ kind: "InUse", users: needing }, nowMs + inUseMs);
  if (input.isForcedDelete && (!place.ok || seen.kind === "unavailable" || seen.kind === "pool-away")) {
    return { kind: "RemoveFinalizer" };
  }
  if (!place.ok) return settle({ kind: "Waiting", problem: place.problem }, nowMs + soonMs);
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", message: seen.error.message }, nowMs + soonMs);
    case "pool-away":
      return settle({ kind: "Unavailable", message: seen.reason }, nowMs + soonMs);
    case "absent":
      return { kind: "RemoveFinalizer" };
    case "present":
      return { kind: "Remove", volume: place.value };
  }
}

function blocked(problem: StorageProblem, nowMs: number): VolumeStep {
  return waitingReasons.has(problem.reason)
    ? settle({ kind: "Waiting", problem }, nowMs + soonMs)
    : settle({ kind: "Failed", problem });
}

function settle(situation: VolumeSituation, lookAgainAtMs?: number): VolumeStep {
  return { kind: "Settle", situation, ...(lookAgainAtMs === undefined ? {} : { lookAgainAtMs }) };
}
