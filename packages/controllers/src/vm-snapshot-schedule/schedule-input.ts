// From a VMSnapshotSchedule, its machines and its snapshots to what the plan works with; what cannot be worked with is told by field.

import {
  InvalidValueError,
  scheduledAtAnnotation,
  snapshotScheduleLabel,
  type VirtualMachine,
  type VMSnapshot,
  type VMSnapshotSchedule,
} from "@vivarium/api";
import { whyNotSelected } from "../vm-set/label-selector.ts";
import type { ScheduledMachine, ScheduledSnapshot, ScheduleInput } from "./schedule-plan.ts";
import { scheduleTimes } from "./schedule-times.ts";

export type ScheduleWish = Omit<ScheduleInput, "machines" | "nowMs">;

export type ScheduleReading =
  | { readonly ok: true; readonly wish: ScheduleWish }
  /** For the Ready condition. */
  | { readonly ok: false; readonly message: string };

/** As label values may be. */
const longestName = 63;

export function readSchedule({ metadata, spec, status }: VMSnapshotSchedule): ScheduleReading {
  const named = [spec.vmRef, spec.selector].filter((each) => each !== undefined).length;
  if (named !== 1) {
    return {
      ok: false,
      message: `spec must have one of vmRef and selector; it has ${named === 0 ? "neither" : "both"}`,
    };
  }
  if (metadata.name.length > longestName) {
    return { ok: false, message: `metadata.name must have at most ${longestName} characters` };
  }
  const { creationTimestamp = "" } = metadata;
  const created = Date.parse(creationTimestamp);
  try {
    const times = scheduleTimes(spec.schedule, { timeZone: spec.timeZone ?? "UTC", anchorMs: created });
    const retention = spec.snapshotTemplate?.spec?.retentionPolicy;
    const isKeptByRetention = retention?.maxAge !== undefined || retention?.maxCount !== undefined;
    const keepTaken = spec.successfulJobsHistoryLimit ?? (isKeptByRetention ? undefined : 3);
    const done = [creationTimestamp, status?.lastScheduleTime, status?.lastMissedTime];
    return {
      ok: true,
      wish: {
        times,
        isSuspended: spec.suspend ?? false,
        policy: spec.concurrencyPolicy ?? "Forbid",
        ...(spec.startingDeadlineSeconds === undefined ? {} : { deadlineMs: spec.startingDeadlineSeconds * 1000 }),
        doneUntilMs: Math.max(...done.flatMap((time) => (time === undefined ? [] : [Date.parse(time)]))),
        ...(keepTaken === undefined ? {} : { keepTaken }),
        keepFailed: spec.failedJobsHistoryLimit ?? 1,
      },
    };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return { ok: false, message: error.message };
  }
}

/** Those that it is for, by name. */
export function selectMachines(
  { spec }: VMSnapshotSchedule,
  all: readonly VirtualMachine[],
): readonly VirtualMachine[] {
  const { vmRef, selector = {} } = spec;
  const isEmpty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0;
  const isChosen = ({ metadata }: VirtualMachine): boolean =>
    vmRef === undefined
      ? isEmpty || whyNotSelected(selector, metadata.labels ?? {}) === undefined
      : metadata.name === vmRef.name;
  return all
    .filter((vm) => vm.metadata.deletionTimestamp === undefined && isChosen(vm))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Machines that have snapshots of the schedule are there as well, though it is not for them any more: those above the limits go. */
export function viewMachines(
  snapshots: readonly VMSnapshot[],
  chosen: readonly VirtualMachine[],
): { readonly machines: readonly ScheduledMachine[]; readonly others: readonly ScheduledMachine[] } {
  const of = (name: string): ScheduledMachine => ({
    name,
    snapshots: snapshots.filter(({ spec }) => spec.vmRef.name === name).map(viewSnapshot),
  });
  const names = new Set(chosen.map(({ metadata }) => metadata.name));
  const others = new Set(snapshots.map(({ spec }) => spec.vmRef.name).filter((name) => !names.has(name)));
  return { machines: [...names].map(of), others: [...others].map(of) };
}

function viewSnapshot({ metadata, spec, status }: VMSnapshot): ScheduledSnapshot {
  const time = metadata.annotations?.[scheduledAtAnnotation] ?? metadata.creationTimestamp ?? "";
  return {
    name: metadata.name,
    atMs: Date.parse(time),
    state: stateOf({ metadata, status }),
    isPinned: spec.metadata?.pinned === true && spec.retentionPolicy?.preservePinned !== false,
  };
}

function stateOf({ metadata, status }: Pick<VMSnapshot, "metadata"> & { readonly status: VMSnapshot["status"] }) {
  if (metadata.deletionTimestamp !== undefined) return "leaving";
  switch (status?.phase) {
    case "Ready":
    case "Expired":
      return "taken";
    case "Failed":
      return "failed";
    case "Deleting":
      return "leaving";
    case "Pending":
    case "Creating":
    case undefined:
      return "active";
  }
}

export function isOfSchedule({ metadata }: VMSnapshot, name: string): boolean {
  return metadata.labels?.[snapshotScheduleLabel] === name;
}
