// A VMClone's status from what was decided and seen. Pure.

import { formatDuration, formatTime, setCondition } from "@vivarium/api";
import type { CloneWish, VMClone, VMCloneStatus, VMSnapshot } from "@vivarium/api";
import type { CloneProgress } from "@vivarium/provider";
import { messageOf } from "../steps/problem-of.ts";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import { sharesOf } from "./clone-shares.ts";
import { hostnameOf } from "./clone-target.ts";
import type { CloneSituation } from "./vm-clone-plan.ts";
import type { CloneRecord } from "./vm-clone-record.ts";

export interface CloneStatusInput {
  readonly situation: CloneSituation;
  readonly record: CloneRecord;
  readonly wish: CloneWish;
  readonly sourceName: string;
  /** What it is made from, where that is one. */
  readonly snapshot: VMSnapshot | undefined;
  /** uid of the target, where it has a domain. */
  readonly targetVmId: string | undefined;
  /** Whether it needs its source; undefined while it is not made. */
  readonly isLinked: boolean | undefined;
  readonly nowMs: number;
}

export function cloneStatusOf(clone: VMClone, input: CloneStatusInput): VMCloneStatus {
  const { situation, record, wish, snapshot, nowMs } = input;
  const observed = observedGenerationOf(clone);
  const now = new Date(nowMs);
  const { progress, customizationStatus: _, ...kept } = clone.status ?? {};
  const verdict = verdictOf(situation, record);
  const phase = phaseOf(situation, record);
  let conditions = setCondition(kept.conditions, { type: "Ready", ...verdict, ...observed }, { now });
  for (const [type, isOn] of [
    ["Cloning", phase === "Cloning" || phase === "Preparing"],
    ["Customizing", phase === "Customizing" || phase === "Powering-On"],
  ] as const) {
    const { reason, message } = verdict;
    const status = isOn ? "True" : "False";
    conditions = setCondition(conditions, { type, status, reason, message, ...observed }, { now });
  }
  return {
    ...kept,
    source: input.sourceName,
    phase,
    message: verdict.message,
    ...(record.startedMs === undefined ? {} : { startTime: timeOf(record.startedMs) }),
    ...((phase === "Ready" || phase === "Failed") && kept.completionTime === undefined
      ? { completionTime: timeOf(nowMs) }
      : {}),
    ...(record.target === undefined ? {} : { targetRef: { name: wish.target.name } }),
    ...(input.targetVmId === undefined ? {} : { targetVMID: input.targetVmId }),
    ...(input.isLinked === undefined ? {} : { actualCloneType: input.isLinked ? "LinkedClone" : "FullClone" }),
    ...(record.snapshot === undefined ? {} : { snapshotRef: { name: record.snapshot.name } }),
    ...(snapshot?.status?.consistency === undefined ? {} : { consistency: snapshot.status.consistency }),
    ...progressOf(situation, progress, nowMs),
    ...(situation.kind === "RetryLater"
      ? { retryCount: situation.failures, lastRetryTime: kept.lastRetryTime ?? timeOf(nowMs) }
      : {}),
    ...(record.target === undefined ? {} : { customizationStatus: customizationOf(clone, situation) }),
    record: { ...record },
    ...observed,
    conditions,
  };
}

function phaseOf(situation: CloneSituation, record: CloneRecord): NonNullable<VMCloneStatus["phase"]> {
  switch (situation.kind) {
    case "Gone":
    case "Ready":
      return "Ready";
    case "Failed":
      return "Failed";
    case "CleaningUp":
      return record.stage === "failed" ? "Failed" : "Preparing";
    case "Waiting":
      return "Pending";
    case "Preparing":
      return "Preparing";
    case "Cloning":
    case "RetryLater":
      return "Cloning";
    case "Customizing":
      return "Customizing";
    case "PoweringOn":
      return "Powering-On";
  }
}

function verdictOf(situation: CloneSituation, { failure }: CloneRecord): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Gone":
    case "Ready":
      return { status: "True", reason: "Completed", message: "The clone is made" };
    case "Failed":
      return no(failure?.reason ?? "Failed", failure?.message ?? "The clone failed");
    case "CleaningUp":
      return no(
        failure?.reason ?? "CleaningUp",
        `${failure?.message ?? "Not wanted any more"}: what was made is removed`,
      );
    case "Waiting":
      return no(situation.reason, situation.message);
    case "Preparing":
      return no("Preparing", situation.message);
    case "Cloning":
      return no("Cloning", "The disks are being made");
    case "RetryLater":
      return no(
        "ProviderError",
        `The disks could not be made, and it is tried again at ${timeOf(situation.atMs)}: ${messageOf(situation.error)}`,
      );
    case "Customizing":
      return no("Customizing", situation.message);
    case "PoweringOn":
      return no("PoweringOn", situation.message);
  }
}

function progressOf(
  situation: CloneSituation,
  before: VMCloneStatus["progress"],
  nowMs: number,
): Pick<VMCloneStatus, "progress"> {
  switch (situation.kind) {
    case "Cloning":
      return situation.progress === undefined
        ? {}
        : { progress: copyProgressOf(situation.progress, { startedMs: situation.startedMs, nowMs }) };
    case "Customizing":
    case "PoweringOn":
    case "Ready": {
      const disks = before?.totalDisks;
      return {
        progress: {
          ...(disks === undefined ? {} : { totalDisks: disks, completedDisks: disks }),
          overallPercentage: 100,
        },
      };
    }
    case "RetryLater":
    case "CleaningUp":
    case "Failed":
      return before === undefined ? {} : { progress: before };
    case "Waiting":
    case "Preparing":
    case "Gone":
      return {};
  }
}

function copyProgressOf(
  progress: CloneProgress,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
): NonNullable<VMCloneStatus["progress"]> {
  const { disk, diskDoneBytes, diskTotalBytes, doneDisks, totalDisks } = progress;
  const { share, overall } = sharesOf(progress);
  const elapsedMs = nowMs - startedMs;
  return {
    totalDisks,
    completedDisks: doneDisks,
    overallPercentage: Math.floor(100 * overall),
    ...(overall > 0 && overall < 1 ? { eta: formatDuration((elapsedMs * (1 - overall)) / overall) } : {}),
    currentDisk: {
      name: disk,
      totalBytes: diskTotalBytes,
      completedBytes: diskDoneBytes,
      percentage: Math.floor(100 * share),
      ...(doneDisks === 0 && elapsedMs > 0 ? { transferRate: Math.floor((1000 * diskDoneBytes) / elapsedMs) } : {}),
    },
  };
}

/** Which of the resets are done from outside, and which only the guest can do. */
function customizationOf(clone: VMClone, situation: CloneSituation): NonNullable<VMCloneStatus["customizationStatus"]> {
  const steps = ["identity", "mac-addresses", "cloud-init-seed"];
  const isDone = situation.kind === "PoweringOn" || situation.kind === "Ready";
  return {
    started: true,
    completed: isDone,
    ...(isDone
      ? { completedSteps: steps }
      : { currentStep: situation.kind === "Customizing" ? "cloud-init-seed" : "disks" }),
    message: `UUID, MAC addresses and the cloud-init instance are new. At its first boot cloud-init in the guest, where there is one, sets the host name ${hostnameOf(clone)}, makes new SSH host keys and a new machine-id, and runs the user-data`,
  };
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
