// A VMSnapshot's status from what was decided and seen. Pure.

import { formatDuration, formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { VMSnapshot, VMSnapshotStatus } from "@vivarium/api";
import type { SnapshotObservation, SnapshotProgress } from "@vivarium/provider";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";
import type { SnapshotInput, SnapshotSituation } from "./vm-snapshot-plan.ts";

/** What is remembered across restarts; only this controller reads it. */
export interface SnapshotStageRecord {
  readonly stage: SnapshotInput["stage"];
  /** uid of the machine. */
  readonly machine?: string;
}

export function snapshotRecordOf({ status }: Pick<VMSnapshot, "status">): SnapshotStageRecord {
  const stage = status?.record?.["stage"];
  const machine = status?.record?.["machine"];
  if (stage !== "creating" && stage !== "created") return { stage: "none" };
  return { stage, ...(typeof machine === "string" ? { machine } : {}) };
}

export interface SnapshotStatusInput {
  readonly situation: SnapshotSituation;
  /** Other snapshots of the machine, by uid. */
  readonly siblings: ReadonlyMap<string, VMSnapshot>;
  readonly snapshots: readonly SnapshotObservation[];
  readonly isDeleting: boolean;
  readonly expiresAtMs?: number;
  readonly nowMs: number;
}

export function snapshotStatusOf(object: VMSnapshot, input: SnapshotStatusInput): VMSnapshotStatus {
  const { situation, nowMs, expiresAtMs } = input;
  const observed = observedGenerationOf(object);
  const { progress: _, expiryTime: __, ...kept } = object.status ?? {};
  // What the tree and the files say is told anew.
  const {
    parent: _parent,
    children: _children,
    leftOut: _leftOut,
    size: _size,
    virtualSize: _virtual,
    ...lasting
  } = kept;
  const ready = readyOf(situation);
  const now = new Date(nowMs);
  let conditions = setCondition(kept.conditions, { type: "Ready", ...ready, ...observed }, { now });
  const isCreating = situation.kind === "Creating";
  const isRemoving = situation.kind === "Deleting" || situation.kind === "DeleteWaits";
  conditions = setCondition(
    conditions,
    {
      type: "Creating",
      status: isCreating ? "True" : "False",
      reason: ready.reason,
      message: ready.message,
      ...observed,
    },
    { now },
  );
  if (isRemoving) {
    conditions = setCondition(
      conditions,
      { type: "Deleting", status: "True", reason: ready.reason, message: ready.message, ...observed },
      { now },
    );
  }
  const seen = situation.kind === "Ready" || situation.kind === "Expired" ? situation.snapshot : undefined;
  return {
    ...(seen === undefined ? kept : lasting),
    phase: phaseOf(situation, { isDeleting: input.isDeleting, was: object.status?.phase }),
    message: ready.message,
    ...(seen === undefined ? {} : factsOf(seen, input)),
    ...(expiresAtMs === undefined ? {} : { expiryTime: timeOf(expiresAtMs) }),
    ...((situation.kind === "Creating" || situation.kind === "Deleting") && situation.progress !== undefined
      ? { progress: progressOf(situation.progress, { startedMs: situation.startedMs, nowMs }) }
      : {}),
    ...observed,
    conditions,
  };
}

function factsOf(seen: SnapshotObservation, { siblings, snapshots }: SnapshotStatusInput): VMSnapshotStatus {
  const named = (uid: string) => {
    const { namespace, name = "" } = siblings.get(uid)?.metadata ?? {};
    return { name, ...(namespace === undefined ? {} : { namespace }), uid };
  };
  const children = snapshots.filter(({ parent }) => parent === seen.uid).map(({ uid }) => named(uid));
  return {
    snapshotID: seen.uid,
    creationTime: timeOf(seen.createdAtMs),
    method: seen.method === "internal" ? "Internal" : "External",
    consistency: consistencyNames[seen.consistency],
    hasMemory: seen.hasMemory,
    isCurrent: seen.isCurrent,
    disks: [...seen.disks],
    ...(seen.leftOut.length === 0 ? {} : { leftOut: [...seen.leftOut] }),
    ...(seen.sizeBytes === undefined ? {} : { size: formatQuantity(seen.sizeBytes) }),
    ...(seen.virtualSizeBytes === undefined ? {} : { virtualSize: formatQuantity(seen.virtualSizeBytes) }),
    ...(seen.parent === undefined ? {} : { parent: named(seen.parent) }),
    ...(children.length === 0 ? {} : { children }),
  };
}

const consistencyNames = { off: "Off", memory: "Memory", filesystem: "Filesystem", crash: "Crash" } as const;

const consistencySentences: Readonly<Record<SnapshotObservation["consistency"], string>> = {
  off: "while the machine was off",
  memory: "with memory",
  filesystem: "the guest agent held the file systems still",
  crash: "disks as after a power cut",
};

function phaseOf(
  situation: SnapshotSituation,
  { isDeleting, was }: { readonly isDeleting: boolean; readonly was: VMSnapshotStatus["phase"] },
): NonNullable<VMSnapshotStatus["phase"]> {
  if (isDeleting) return "Deleting";
  switch (situation.kind) {
    case "Ready":
      return "Ready";
    case "Expired":
      return "Expired";
    case "Creating":
      return "Creating";
    case "Waiting":
      // What cannot be looked at is as it was.
      return situation.reason === "ProviderUnavailable" ? (was ?? "Pending") : "Pending";
    case "Failed":
      return "Failed";
    case "Deleting":
    case "DeleteWaits":
    case "Gone":
      return "Deleting";
  }
}

function readyOf(situation: SnapshotSituation): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Ready": {
      const { consistency, leftOut } = situation.snapshot;
      const without = leftOut.length === 0 ? "" : `; without disks ${leftOut.join(", ")}`;
      return { status: "True", reason: "Ready", message: `Taken: ${consistencySentences[consistency]}${without}` };
    }
    case "Expired":
      return {
        status: "True",
        reason: "Expired",
        message: `Its time is over; it is removed at ${timeOf(situation.removeAtMs)}`,
      };
    case "Creating":
      return no("Creating", "The snapshot is being taken");
    case "Deleting":
      return no("Deleting", "The snapshot is being removed");
    case "Waiting":
      return situation.reason === "ProviderUnavailable"
        ? { status: "Unknown", reason: situation.reason, message: `Cannot look at the snapshot: ${situation.message}` }
        : no(situation.reason, situation.message);
    case "Failed":
    case "DeleteWaits":
      return no(situation.reason, situation.message);
    case "Gone":
      return no("Deleted", "Deleted");
  }
}

function progressOf(
  { doneBytes, totalBytes }: SnapshotProgress,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
): NonNullable<VMSnapshotStatus["progress"]> {
  const leftMs = doneBytes > 0 ? ((nowMs - startedMs) * Math.max(0, totalBytes - doneBytes)) / doneBytes : undefined;
  return {
    totalBytes,
    completedBytes: doneBytes,
    percentage: totalBytes > 0 ? Math.min(100, Math.floor((100 * doneBytes) / totalBytes)) : 0,
    startTime: timeOf(startedMs),
    ...(leftMs === undefined ? {} : { eta: formatDuration(leftMs) }),
  };
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
