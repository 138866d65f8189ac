// The record of a VM as it lies in its status: what users may read in fields of its own, the rest in `status.provider`, which only this
// controller reads. Pure.

import type { VirtualMachineStatus } from "@vivarium/api";
import type { PowerCycleRecord } from "../plan/power-cycle-plan.ts";
import type { RevertRecord } from "../plan/revert-plan.ts";
import type { RunRequests } from "../plan/run-state-plan.ts";
import { macsOfApplied } from "../applied-nics.ts";
import type { AppliedDefinition } from "../applied.ts";
import type { VmRecord } from "../record.ts";

/** What is kept in `status.provider`: only this controller reads it. */
interface StoredRecord {
  readonly madeOn?: string;
  readonly applied?: AppliedDefinition;
  readonly adoptedUuid?: string;
  readonly macs?: Readonly<Record<string, string>>;
  readonly isDefineDue?: true;
  readonly stops?: number;
  readonly nextStartMs?: number;
  readonly restartStoppedFor?: string;
  readonly bootRetry?: "wanted" | "done";
  readonly isPausedByUs?: true;
  readonly revert?: RevertRecord;
  readonly powerCycle?: PowerCycleRecord;
}

export function readRecord(status: VirtualMachineStatus | undefined): VmRecord {
  const stored: StoredRecord = status?.provider ?? {};
  const isOn = status?.powerState === "On" || status?.powerState === "Paused";
  const startedAtMs = isOn ? msOf(status.startedAt) : undefined;
  const shutdownRequestedAtMs = msOf(status?.shutdownRequestedAt);
  const reconfiguredAtMs = msOf(status?.lastReconfigureTime);
  const stop = status?.lastStop;
  const requestsDone: RunRequests = {
    ...(status?.lastRebootRequest === undefined ? {} : { reboot: status.lastRebootRequest }),
    ...(status?.lastResetRequest === undefined ? {} : { reset: status.lastResetRequest }),
    ...(status?.lastDiscardMemoryRequest === undefined ? {} : { discardMemory: status.lastDiscardMemoryRequest }),
  };
  const macs = stored.macs ?? macsOfApplied(stored.applied);
  return {
    stops: stored.stops ?? 0,
    ...(stored.madeOn === undefined ? {} : { madeOn: stored.madeOn }),
    ...(stored.applied === undefined ? {} : { applied: stored.applied }),
    ...(status?.host === undefined ? {} : { host: status.host }),
    ...(stored.adoptedUuid === undefined ? {} : { adoptedUuid: stored.adoptedUuid }),
    ...(Object.keys(macs).length === 0 ? {} : { macs }),
    ...(stored.isDefineDue === undefined ? {} : { isDefineDue: stored.isDefineDue }),
    ...(stored.nextStartMs === undefined ? {} : { nextStartMs: stored.nextStartMs }),
    ...(stored.restartStoppedFor === undefined ? {} : { restartStoppedFor: stored.restartStoppedFor }),
    ...(stored.bootRetry === undefined ? {} : { bootRetry: stored.bootRetry }),
    ...(stored.isPausedByUs === undefined ? {} : { isPausedByUs: stored.isPausedByUs }),
    ...(stored.revert === undefined ? {} : { revert: stored.revert }),
    ...(stored.powerCycle === undefined ? {} : { powerCycle: stored.powerCycle }),
    ...(Object.keys(requestsDone).length === 0 ? {} : { requestsDone }),
    ...(startedAtMs === undefined ? {} : { runningSinceMs: startedAtMs }),
    ...(shutdownRequestedAtMs === undefined ? {} : { shutdownRequestedAtMs }),
    ...(reconfiguredAtMs === undefined ? {} : { reconfiguredAtMs }),
    ...(status?.lastRestartRequest === undefined ? {} : { lastRestartRequest: status.lastRestartRequest }),
    ...(stop === undefined
      ? {}
      : { lastStop: { method: stop.method, timeMs: msOf(stop.time) ?? 0, message: stop.message ?? "" } }),
  };
}

export function storedOf(record: VmRecord): Record<string, unknown> {
  const {
    madeOn,
    applied,
    adoptedUuid,
    macs,
    isDefineDue,
    stops,
    nextStartMs,
    restartStoppedFor,
    bootRetry,
    isPausedByUs,
    revert,
    powerCycle,
  } = record;
  const stored: StoredRecord = {
    ...(madeOn === undefined ? {} : { madeOn }),
    ...(applied === undefined ? {} : { applied }),
    ...(adoptedUuid === undefined ? {} : { adoptedUuid }),
    ...(macs === undefined ? {} : { macs }),
    ...(isDefineDue === undefined ? {} : { isDefineDue }),
    ...(stops === 0 ? {} : { stops }),
    ...(nextStartMs === undefined ? {} : { nextStartMs }),
    ...(restartStoppedFor === undefined ? {} : { restartStoppedFor }),
    ...(bootRetry === undefined ? {} : { bootRetry }),
    ...(isPausedByUs === undefined ? {} : { isPausedByUs }),
    ...(revert === undefined ? {} : { revert }),
    ...(powerCycle === undefined ? {} : { powerCycle }),
  };
  return { ...stored };
}

function msOf(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}
