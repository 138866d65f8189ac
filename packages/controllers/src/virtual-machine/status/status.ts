// A VirtualMachine's status from what is remembered, seen and going on. Pure: the same situation gives the same bytes, so that a VM at rest
// is never written.

import type { Verdict } from "../../verdict.ts";
import type { VirtualMachine, VirtualMachineStatus } from "@vivarium/api";
import type { GuestAddress } from "@vivarium/provider";
import type { PowerCyclePolicy } from "../plan/power-cycle-plan.ts";
import type { Seen } from "../plan/input.ts";
import type { Situation } from "../plan/step.ts";
import type { VmRecord } from "../record.ts";
import { conditionsOf } from "./conditions.ts";
import { disksOfStatus } from "./disk-status.ts";
import type { DiskReport } from "./disk-status.ts";
import { networksOfStatus } from "./nic-status.ts";
import type { NicReport } from "./nic-status.ts";
import { isOn, phaseOf, powerStateOf } from "./phase.ts";
import { readyOf } from "./ready.ts";
import type { SizeReport } from "./size-status.ts";
import { storedOf } from "./stored-record.ts";
import { timeOf } from "./time-of.ts";

export interface StatusInput {
  readonly vm: VirtualMachine;
  readonly record: VmRecord;
  readonly situation: Situation;
  readonly seen: Seen;
  readonly addresses: readonly GuestAddress[];
  readonly nowMs: number;
  readonly retryAtMs?: number;
  /** Failures in a row at the present step. */
  readonly failures: number;
  /** What the running domain lacks of the spec; undefined when that cannot be told now. */
  readonly pendingFields: readonly string[] | undefined;
  /** Whether its VMPlacementPolicy allows where it is; undefined while that was not looked at. */
  readonly placement: Verdict | undefined;
  readonly powerCyclePolicy: PowerCyclePolicy;
  readonly snapshots: NonNullable<VirtualMachineStatus["snapshots"]>;
  readonly disks: DiskReport;
  readonly nics: NicReport;
  readonly size: SizeReport;
}

export function statusOf(input: StatusInput): VirtualMachineStatus {
  const { vm, record, seen, nowMs, situation } = input;
  const old: VirtualMachineStatus = vm.status ?? {};
  const ready = readyOf(input);
  const phase = phaseOf(input);
  const {
    ips: _ips,
    addresses: _addresses,
    startedAt: oldStartedAt,
    lastStop: _lastStop,
    shutdownRequestedAt: _shutdown,
    nextAttemptTime: _next,
    failures: _failures,
    powerState: oldPower,
    currentResources: oldResources,
    domain: oldDomain,
    disks: oldDisks,
    networks: oldNetworks,
    snapshots: _snapshots,
    ...kept
  } = old;
  const isUnseen = seen.kind === "unavailable";
  const addresses = isUnseen ? (old.addresses ?? []) : isOn(seen) ? input.addresses : [];
  const startedAt = record.runningSinceMs === undefined ? oldStartedAt : timeOf(record.runningSinceMs);
  const powerState = isUnseen ? oldPower : seen.kind === "present" ? powerStateOf(vm, seen) : undefined;
  const { requestsDone } = record;
  const currentResources = seen.kind === "present" ? resourcesOf(seen) : isUnseen ? oldResources : undefined;
  const domain = seen.kind === "present" ? seen.domain : isUnseen ? oldDomain : undefined;
  const disks =
    seen.kind === "present"
      ? disksOfStatus(seen, { ...input.disks, declared: vm.spec.disks ?? [] })
      : isUnseen
        ? (oldDisks ?? [])
        : [];
  const networks = seen.kind === "present" ? networksOfStatus(seen, input.nics) : isUnseen ? (oldNetworks ?? []) : [];
  const failures = situation.kind === "StartsLater" ? record.stops : input.failures;
  const attemptAtMs = situation.kind === "StartsLater" ? situation.atMs : input.retryAtMs;
  return {
    ...kept,
    ...(record.host === undefined ? {} : { host: record.host }),
    ...(record.madeOn === undefined ? {} : { id: record.adoptedUuid ?? vm.metadata.uid ?? "" }),
    ...(domain === undefined ? {} : { domain }),
    ...(powerState === undefined ? {} : { powerState }),
    phase,
    message: ready.message,
    ...(addresses.length === 0 ? {} : { ips: [...new Set(addresses.map(({ ip }) => ip))] }),
    ...(addresses.length === 0 ? {} : { addresses: addresses.map((each) => ({ ...each })) }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(record.lastStop === undefined
      ? {}
      : {
          lastStop: {
            time: timeOf(record.lastStop.timeMs),
            method: record.lastStop.method,
            message: record.lastStop.message,
          },
        }),
    ...(record.shutdownRequestedAtMs === undefined
      ? {}
      : { shutdownRequestedAt: timeOf(record.shutdownRequestedAtMs) }),
    ...(record.lastRestartRequest === undefined ? {} : { lastRestartRequest: record.lastRestartRequest }),
    ...(requestsDone?.reboot === undefined ? {} : { lastRebootRequest: requestsDone.reboot }),
    ...(requestsDone?.reset === undefined ? {} : { lastResetRequest: requestsDone.reset }),
    ...(requestsDone?.discardMemory === undefined ? {} : { lastDiscardMemoryRequest: requestsDone.discardMemory }),
    ...(record.reconfiguredAtMs === undefined ? {} : { lastReconfigureTime: timeOf(record.reconfiguredAtMs) }),
    ...(failures === 0 ? {} : { failures }),
    ...(attemptAtMs === undefined ? {} : { nextAttemptTime: timeOf(attemptAtMs) }),
    ...(currentResources === undefined ? {} : { currentResources }),
    ...(disks.length === 0 ? {} : { disks: [...disks] }),
    ...(networks.length === 0 ? {} : { networks: [...networks] }),
    ...(input.snapshots.length === 0 ? {} : { snapshots: input.snapshots }),
    provider: storedOf(record),
    observedGeneration: vm.metadata.generation ?? 0,
    conditions: conditionsOf(input, { ready, phase, now: new Date(nowMs) }),
  };
}

function resourcesOf(seen: Extract<Seen, { kind: "present" }>): NonNullable<VirtualMachineStatus["currentResources"]> {
  return { cpu: seen.cpus, memoryMiB: Math.floor(seen.memoryBytes / 1024 ** 2) };
}
