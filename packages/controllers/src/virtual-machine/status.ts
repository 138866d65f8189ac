// A VirtualMachine's status from what is remembered, seen and going on, and the record back from the status. Pure: the same
// situation gives the same bytes, so that a VM at rest is never written.

import { findCondition, formatTime, setCondition } from "@vivarium/api";
import type { Condition, VirtualMachine, VirtualMachineStatus } from "@vivarium/api";
import type { GuestAddress, ProviderErrorCode } from "@vivarium/provider";
import type { Verdict } from "../verdict.ts";
import { disksCondition, disksOfStatus } from "./disk-status.ts";
import type { DiskReport } from "./disk-status.ts";
import { networksCondition, networksOfStatus } from "./nic-status.ts";
import type { NicReport } from "./nic-status.ts";
import type { Problem, Seen, Situation, Step } from "./plan.ts";
import { macsOfApplied } from "./record.ts";
import type { RunRequests } from "./run-state-plan.ts";
import type { RevertRecord } from "./revert-plan.ts";
import { sizeCondition } from "./size-status.ts";
import type { SizeReport } from "./size-status.ts";
import type { AppliedDefinition, VmRecord } from "./record.ts";

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
  readonly disks: DiskReport;
  readonly nics: NicReport;
  readonly size: SizeReport;
}

type Phase = NonNullable<VirtualMachineStatus["phase"]>;

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
    provider: storedOf(record),
    observedGeneration: vm.metadata.generation ?? 0,
    conditions: conditionsOf(input, { ready, phase, now: new Date(nowMs) }),
  };
}

function storedOf(record: VmRecord): Record<string, unknown> {
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
  };
  return { ...stored };
}

function conditionsOf(
  { vm, record, seen, situation, pendingFields, disks, nics, size }: StatusInput,
  { ready, phase, now }: { readonly ready: Verdict; readonly phase: Phase; readonly now: Date },
): Condition[] {
  const observedGeneration = vm.metadata.generation ?? 0;
  let conditions: Condition[] = vm.status?.conditions ?? [];
  const set = (type: string, value: Verdict): void => {
    conditions = setCondition(conditions, { type, ...value, observedGeneration }, { now });
  };
  set("Ready", ready);
  if (seen.kind === "unavailable" && findCondition(conditions, "Provisioning") !== undefined) return conditions;
  set(
    "Provisioning",
    phase === "Provisioning"
      ? { status: "True", reason: situation.kind === "StepFailed" ? ready.reason : "Creating", message: ready.message }
      : seen.kind === "present"
        ? { status: "False", reason: "Created", message: `Domain "${seen.domain}" exists` }
        : { status: "False", reason: ready.reason, message: ready.message },
  );
  set(
    "Reconfiguring",
    seen.kind === "present"
      ? sizeCondition(seen, size)
      : { status: "False", reason: "Idle", message: "Nothing is being changed" },
  );
  if (record.adoptedUuid !== undefined) {
    set("ReconfigurePendingPowerCycle", asFound);
    return conditions;
  }
  set("ReconfigurePendingPowerCycle", pendingCondition(pendingFields));
  if (seen.kind === "present") set("DisksAttached", disksCondition(seen, disks));
  if (seen.kind === "present") set("NetworksAttached", networksCondition(seen, nics));
  return conditions;
}

const asFound: Verdict = {
  status: "False",
  reason: "Adopted",
  message: "The domain stays as it was found: only its power follows the spec",
};

function pendingCondition(fields: readonly string[] | undefined): Verdict {
  if (fields === undefined) {
    return { status: "Unknown", reason: "NotComparable", message: "What the VM shall be cannot be resolved now" };
  }
  if (fields.length === 0) return { status: "False", reason: "UpToDate", message: "The domain is as declared" };
  return {
    status: "True",
    reason: "PowerCycleRequired",
    message: `Changed in the spec, not in the domain: ${fields.join(", ")}. Applied when the VM is next off: restart it, or stop and start it`,
  };
}

const reasonOfCode: Readonly<Record<ProviderErrorCode, string>> = {
  NotFound: "NotFoundOnProvider",
  AlreadyExists: "NameConflict",
  InvalidSpec: "InvalidSpec",
  Unsupported: "Unsupported",
  Conflict: "ConflictOnProvider",
  NoSpace: "NoSpaceOnProvider",
  Unavailable: "ProviderUnavailable",
  Unauthorized: "ProviderUnauthorized",
  Timeout: "ProviderTimeout",
  Internal: "ProviderError",
};

const silentAfterMs = 30_000;

function readyOf(input: StatusInput): Verdict {
  const { situation, record, seen, nowMs } = input;
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Running": {
      const [first] = input.addresses;
      const hasNics = seen.kind === "present" && seen.nics.length > 0;
      const nowhere = hasNics ? "at no known address" : "without network interfaces";
      const at = first === undefined ? nowhere : `at ${first.ip} (${sourceNames[first.source]})`;
      return { status: "True", reason: "Running", message: `Running ${at}` };
    }
    case "WaitingForAddress":
      return no("WaitingForAddress", waitingMessage(record, seen, nowMs));
    case "Blocked": {
      const [first] = [...situation.problems].sort((a, b) => rankOf(a) - rankOf(b));
      const message = situation.problems.map((problem) => problem.message).join("; ");
      return no(first?.reason ?? "Blocked", message);
    }
    case "NameConflict":
      return no(
        "NameConflict",
        `Domain "${situation.domain}" on the hypervisor was not made for this VM (${situation.reason}) and is left alone: rename or remove it, or give this VM another name`,
      );
    case "Unavailable":
      return {
        // A VM that was never made is not ready, whatever the hypervisor would say.
        status: record.madeOn === undefined ? "False" : "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot look at the hypervisor: ${textOf(situation.error)}`,
      };
    case "StepFailed":
      return no(reasonOfCode[situation.error.code], textOf(situation.error));
    case "Working":
      return workingReady(situation.step, seen);
    case "Stopped": {
      const { lastStop } = record;
      const kept = situation.hasSavedMemory ? ". Its memory is saved: it goes on from there when it is On again" : "";
      return no("Stopped", `Off, as declared${kept}${lastStop === undefined ? "" : `. ${lastStop.message}`}`);
    }
    case "Suspended":
      return no(
        "Suspended",
        "Off with its memory saved to disk, as declared: it goes on from there when it is On again",
      );
    case "Suspending":
      return no("Suspending", "Its memory is being saved to disk");
    case "CrashKept":
      return no(
        "Crashed",
        "The guest's kernel panicked, and it is kept for a look (spec.lifecycle.crashPolicy Preserve): restart the VM, or power it off",
      );
    case "PausedAsDeclared":
      return no("Paused", "Its CPUs are halted, as declared");
    case "StartsLater":
      return no(
        "StoppedUnexpectedly",
        `${record.lastStop?.message ?? "Off"}; it is started again at ${timeOf(situation.atMs)}`,
      );
    case "ShuttingDown":
      return no(
        "ShuttingDown",
        `The guest was asked to shut down; the plug is pulled at ${timeOf(situation.deadlineMs)} if it has not`,
      );
    case "GuestStopping":
      return no("GuestStopping", "The guest is shutting down");
    case "Paused":
      return no(
        situation.power === "paused" ? "PausedOnHost" : "GuestAsleep",
        `The domain is ${situation.power} (hypervisor: ${situation.reason}) and was not by Vivarium, which does not resume it: resume it on the host, or restart the VM`,
      );
    case "DeleteBlocked":
      return no(
        situation.problem.reason,
        `${situation.problem.message}: create it again so that the VM can be removed there, or set the annotation virtrigaud.io/force-delete: "true" to leave what is there behind`,
      );
    case "DeleteHeld":
      return no(
        "SnapshotsKept",
        `Cannot delete the VM while snapshots are there that shall outlive it (retentionPolicy.deleteOnVMDelete is false): ${situation.snapshots.join(", ")}`,
      );
    case "DeleteUnavailable":
      return {
        status: "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot delete the VM while the hypervisor is out of reach: ${textOf(situation.error)}`,
      };
    case "Gone":
      return no("Deleted", "Deleted");
  }
}

function workingReady(step: Step["kind"], seen: Seen): Verdict {
  const is = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  const starting = is("Starting", "The VM is being started");
  switch (step) {
    case "AddFinalizer":
    case "RecordPlacement":
    case "Check":
    case "EnsureRootDisk":
    case "EnsureDataDisk":
    case "WriteSeed":
    case "GrowDisk":
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "RecordDisks":
    case "AllocateMacs":
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
    case "RecordNics":
      return seen.kind === "present" ? starting : is("Creating", "The VM is being made");
    case "RecordRevert":
    case "Revert":
    case "ClearRevert":
    case "ForgetRevert":
      return is("Reverting", "The VM is going back to a snapshot");
    case "Define":
    case "Start":
      return starting;
    case "AddCpus":
    case "SetMemory":
    case "SetLimits":
    case "SetStartOnBoot":
    case "RecordSize":
      return is("Starting", "The size is being changed");
    case "Pause":
    case "RecordPause":
      return is("Paused", "The CPUs are being halted");
    case "Resume":
      return is("Starting", "The CPUs are being let go on");
    case "Suspend":
      return is("Suspending", "Its memory is being saved to disk");
    case "DiscardMemory":
      return is("Stopped", "The saved memory is being thrown away");
    case "Reboot":
    case "Reset":
    case "RecordVoidRequest":
      return is("Starting", "The guest is being made to begin anew");
    case "RecordStop":
    case "RecordShutdownRequest":
    case "RequestShutdown":
      return is("ShuttingDown", "The guest is being asked to shut down");
    case "ForceOff":
      return is("Stopping", "The plug is being pulled");
    case "ProbeBoot":
    case "RecordBootRetry":
      return is("WaitingForAddress", "The boot has shown no sign of life; it is cut short and tried once more");
    case "Undefine":
    case "BindHost":
      return is("Creating", "The VM is being made");
    case "RecordAdoption":
    case "Adopt":
      return is("Adopting", "The domain is being adopted");
    case "Release":
      return is("Deleting", "The domain is let go of, and stays as it is");
    case "DestroyAdopted":
      return is("Deleting", "The domain and its disks are being removed");
    case "RemoveVolumes":
    case "ReleaseLeases":
    case "RemoveFinalizer":
      return is("Deleting", "The VM and its volumes are being removed");
    case "Settle":
      return is("Settled", "Nothing is to be done");
  }
}

const sourceNames: Readonly<Record<GuestAddress["source"], string>> = {
  lease: "DHCP lease",
  agent: "guest agent",
  arp: "ARP",
};

function waitingMessage(record: VmRecord, seen: Seen, nowMs: number): string {
  const sinceMs = record.runningSinceMs ?? nowMs;
  if (nowMs - sinceMs < silentAfterMs) return "Running; waiting for an address from DHCP lease, guest agent or ARP";
  const agent =
    seen.kind === "present" && seen.agentConnected ? "guest agent (connected)" : "guest agent (not connected)";
  const retried = record.bootRetry === "done" ? "; the boot was retried once" : "";
  return `Running since ${timeOf(sinceMs)} and no address yet: DHCP lease, ${agent} and ARP are silent${retried}. See the serial console`;
}

/** What the user must change comes first, then what others must, then what only takes time. */
const ranks: Readonly<Record<Problem["reason"], number>> = {
  InvalidSpec: 0,
  Unsupported: 0,
  AddressInUse: 0,
  InvalidUserData: 0,
  ProviderNotFound: 1,
  ClassNotFound: 2,
  ImageNotFound: 3,
  NetworkNotFound: 4,
  NetworkNotReady: 7,
  SecretNotFound: 5,
  VolumeNotFound: 5,
  VolumeNotReady: 7,
  SnapshotNotFound: 5,
  SnapshotNotReady: 7,
  PoolFull: 6,
  ImageFailed: 6,
  ImageNotReady: 7,
  DomainNotFound: 0,
  DomainNotFree: 0,
  NoHostFits: 6,
};

function rankOf(problem: Problem): number {
  return ranks[problem.reason];
}

function phaseOf({ vm, situation, seen, record }: StatusInput): Phase {
  if (vm.metadata.deletionTimestamp !== undefined) return "Deleting";
  const hasRun = record.runningSinceMs !== undefined || record.lastStop !== undefined;
  switch (situation.kind) {
    case "Unavailable":
    case "DeleteUnavailable":
      return vm.status?.phase ?? "Pending";
    case "NameConflict":
    case "CrashKept":
      return "Failed";
    case "Blocked":
      if (seen.kind === "present") return isOn(seen) ? "Running" : "Stopped";
      return situation.problems.some((problem) => rankOf(problem) === 0) ? "Failed" : "Pending";
    case "StepFailed":
      if (isOn(seen)) return "Running";
      if (!situation.error.retryable) return "Failed";
      return hasRun ? "Stopped" : "Provisioning";
    case "Working":
      if (isOn(seen)) return "Running";
      return hasRun ? "Stopped" : "Provisioning";
    case "Stopped":
    case "StartsLater":
      return "Stopped";
    case "Suspended":
      return "Suspended";
    case "Paused":
    case "PausedAsDeclared":
      return "Paused";
    case "Suspending":
    case "ShuttingDown":
    case "GuestStopping":
    case "WaitingForAddress":
    case "Running":
      return "Running";
    case "DeleteBlocked":
    case "DeleteHeld":
    case "Gone":
      return "Deleting";
  }
}

function isOn(seen: Seen): boolean {
  return seen.kind === "present" && seen.power !== "off" && seen.power !== "crashed";
}

/** What is saved counts as such where it shall be; a VM that shall be off is off. */
function powerStateOf(
  vm: VirtualMachine,
  seen: Extract<Seen, { kind: "present" }>,
): NonNullable<VirtualMachineStatus["powerState"]> {
  if (isOn(seen)) return seen.power === "paused" ? "Paused" : "On";
  const isOffWanted = vm.spec.powerState === "Off" || vm.spec.powerState === "OffGraceful";
  return seen.hasSavedMemory === true && !isOffWanted ? "Suspended" : "Off";
}

function resourcesOf(seen: Extract<Seen, { kind: "present" }>): NonNullable<VirtualMachineStatus["currentResources"]> {
  return { cpu: seen.cpus, memoryMiB: Math.floor(seen.memoryBytes / 1024 ** 2) };
}

/** The message, and those of its causes that say more. */
function textOf(error: Error): string {
  const parts = [error.message];
  let cause: unknown = error.cause;
  for (let depth = 0; cause instanceof Error && depth < 4; depth++) {
    const { message } = cause;
    if (message !== "" && !parts.some((part) => part.includes(message))) parts.push(message);
    cause = cause.cause;
  }
  return parts.join(": ");
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}

function msOf(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}
