// The VirtualMachine policy: from what is declared, remembered and seen, the ONE step that comes next. Pure; each step is safe to
// repeat after a crash at any point.
//
//   absent ──Check, AllocateMacs, RecordPlacement, EnsureRootDisk, EnsureDataDisk…, WriteSeed, Define──► off ──Check, Define, Start──► running
//      ▲                                                                                 ▲                               │
//      └──────────── Undefine, RemoveVolumes, ReleaseLeases, RemoveFinalizer ◄── ForceOff┴── RequestShutdown, ForceOff ◄─┘
//
// The domain's existence is the commit record of disks and seed: while it is absent they are made (again), afterwards they are
// left alone. "Could not look" leads to no step at all.

import type { GuestAddress, PowerState, ProviderError, VmDefinition, VmObservation } from "@vivarium/provider";
import type { HostChoice } from "../choose-host.ts";
import { decideRunningDisks, diskStepKey, growthOf } from "./disk-plan.ts";
import type { DiskSize, DiskStep } from "./disk-plan.ts";
import type { HotMemory, HotWait } from "./hot-plan.ts";
import { decideRunningNics, nicStepKey } from "./nic-plan.ts";
import type { NicStep } from "./nic-plan.ts";
import {
  decidePausedStart,
  decideRequestsWhileOff,
  decideRunState,
  decideSuspend,
  isOnWanted,
} from "./run-state-plan.ts";
import type { RunRequests, RunStateStep } from "./run-state-plan.ts";
import { decideRevert } from "./revert-plan.ts";
import type { RevertStep, RevertTarget } from "./revert-plan.ts";
import { decideRunningSize } from "./size-plan.ts";
import type { SizeInput, SizeStep } from "./size-plan.ts";
import { changedFields, madeDisksOf } from "./record.ts";
import type { VmRecord } from "./record.ts";

/** Why a VM cannot be built or run as declared. */
export interface Problem {
  readonly reason:
    | "ProviderNotFound"
    | "ClassNotFound"
    | "ImageNotFound"
    | "NetworkNotFound"
    | "NetworkNotReady"
    | "SecretNotFound"
    | "VolumeNotFound"
    | "VolumeNotReady"
    | "AddressInUse"
    | "SnapshotNotFound"
    | "SnapshotNotReady"
    | "PoolFull"
    | "InvalidUserData"
    | "InvalidSpec"
    | "Unsupported"
    | "ImageNotReady"
    | "ImageFailed"
    | "DomainNotFound"
    | "DomainNotFree"
    | "NoHostFits";
  readonly message: string;
}

export type Resolved<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What is made before the domain: needed only while the domain is absent. */
export interface BuildPlan {
  readonly root: { readonly name: string; readonly imageId: string; readonly sizeBytes?: number };
  readonly seed: Uint8Array;
}

export interface DataDisk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly preallocated: boolean;
}

export type Seen = VmObservation | { readonly kind: "unavailable"; readonly error: ProviderError };

/** `spec.powerState`. */
export type PowerWish = "On" | "Off" | "OffGraceful" | "Paused" | "Suspended";

export interface AdoptionWish {
  readonly uuid: string;
  readonly deletionPolicy: "Release" | "Delete";
  /** The spec wants another domain than the VM is. */
  readonly problem?: Problem;
}

export interface PlanInput {
  readonly nowMs: number;
  readonly generation: number;
  /** Kept while our finalizer is on the object. */
  readonly hasFinalizer: boolean;
  readonly isDeleting: boolean;
  /** The user accepts that something may be left on a hypervisor that cannot be asked. */
  readonly isForcedDelete: boolean;
  readonly power: PowerWish;
  readonly gracefulTimeoutMs: number;
  readonly restartRequest?: string;
  readonly requests: RunRequests;
  readonly record: VmRecord;
  /** The VM is a domain that was there before; see adopted-plan.ts. */
  readonly adopted?: AdoptionWish;
  /** Whether any interface is to get an address. */
  readonly expectsAddress: boolean;
  /** `namespace/name` of the Provider; absent when there is none (its problem is then in `definition`). */
  readonly provider?: string;
  /** Absent once the VM is bound to a host, or where there is only one. */
  readonly hostChoice?: HostChoice;
  readonly definition: Resolved<VmDefinition>;
  readonly dataDisks: readonly DataDisk[];
  /** Of the VM's own disks, where the spec says one. */
  readonly diskSizes: readonly DiskSize[];
  /** Absent where the hypervisor changes no disk of a running VM. */
  readonly hotDisks?: HotMemory;
  /** Absent where the hypervisor changes no interface of a running VM. */
  readonly hotNics?: HotMemory;
  /** An interface has no MAC address of its own yet. */
  readonly isMacDue: boolean;
  /** Absent where the hypervisor changes no size of a running VM. */
  readonly sizing?: Pick<SizeInput, "memoryAskedAtMs" | "retryAtMs">;
  readonly build: Resolved<BuildPlan>;
  /** The snapshot that it is to go back to; absent when there is none. */
  readonly revert?: Resolved<RevertTarget>;
  /** A snapshot of it is being taken. */
  readonly isBeingSnapshotted?: boolean;
  /** Names of snapshots that shall outlive the VM. */
  readonly stayingSnapshots?: readonly string[];
  readonly seen: Seen;
  readonly addresses: readonly GuestAddress[];
  /** Asked at this time, by this process, for a shutdown. */
  readonly shutdownAskedAtMs?: number;
  /** Answer of the step ProbeBoot for this start. */
  readonly bootProbe?: "silent" | "alive";
  /** Steps done since the last look at the spec; see `stepKey`. */
  readonly done: ReadonlySet<string>;
}

/** A state in which nothing is to be done now. `lookAgainAtMs`: time alone may change that. */
export type Situation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Unavailable"; readonly error: ProviderError }
  | { readonly kind: "NameConflict"; readonly domain: string; readonly reason: string }
  | { readonly kind: "Blocked"; readonly problems: readonly Problem[] }
  | { readonly kind: "DeleteBlocked"; readonly problem: Problem }
  | { readonly kind: "DeleteUnavailable"; readonly error: ProviderError }
  /** By snapshots that shall outlive it. */
  | { readonly kind: "DeleteHeld"; readonly snapshots: readonly string[] }
  | { readonly kind: "Stopped"; readonly hasSavedMemory: boolean }
  /** Off with its memory saved, as declared. */
  | { readonly kind: "Suspended" }
  /** Its memory is being saved. */
  | { readonly kind: "Suspending" }
  | { readonly kind: "PausedAsDeclared" }
  /** The guest's kernel panicked, and it is kept for a look, as declared. */
  | { readonly kind: "CrashKept" }
  | { readonly kind: "StartsLater"; readonly atMs: number }
  | { readonly kind: "ShuttingDown"; readonly deadlineMs: number }
  | { readonly kind: "GuestStopping" }
  /** By somebody else, or by the guest itself. */
  | { readonly kind: "Paused"; readonly power: "paused" | "suspended"; readonly reason: string }
  | { readonly kind: "WaitingForAddress" }
  | { readonly kind: "Running" }
  /** A step was tried and failed; told by the controller, not decided here. */
  | { readonly kind: "StepFailed"; readonly step: Step["kind"]; readonly error: ProviderError }
  /** About to take this step. */
  | { readonly kind: "Working"; readonly step: Step["kind"] };

export type Step =
  | { readonly kind: "AddFinalizer" }
  /** Says, durably, where and as what the VM is about to be made. */
  | { readonly kind: "RecordPlacement"; readonly provider: string; readonly definition: VmDefinition }
  | { readonly kind: "Check"; readonly definition: VmDefinition }
  | { readonly kind: "EnsureRootDisk"; readonly disk: BuildPlan["root"] }
  | { readonly kind: "EnsureDataDisk"; readonly disk: DataDisk }
  | { readonly kind: "WriteSeed"; readonly seed: Uint8Array }
  | { readonly kind: "Define"; readonly definition: VmDefinition }
  /** Chooses MAC addresses that nobody has, and says so, durably. */
  | { readonly kind: "AllocateMacs" }
  | DiskStep
  | NicStep
  /** Says, durably, that the disks of the running domain are as declared. */
  | { readonly kind: "RecordDisks"; readonly definition: VmDefinition }
  /** Says, durably, that the interfaces of the running domain are as declared. */
  | { readonly kind: "RecordNics"; readonly definition: VmDefinition }
  | RunStateStep
  | RevertStep
  | SizeStep
  /** Says, durably, that the running domain has the size that is declared. */
  | { readonly kind: "RecordSize"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "Start"; readonly isPaused: boolean; readonly isFromMemory: boolean }
  /** Says, durably, that the VM is off and why, before anything is done about it. */
  | { readonly kind: "RecordStop"; readonly power: PowerState | "absent"; readonly reason: string }
  | { readonly kind: "RecordShutdownRequest" }
  | { readonly kind: "RequestShutdown" }
  | { readonly kind: "ForceOff"; readonly why: "PowerOff" | "Deadline" | "Crashed" | "BootRetry" | "Delete" }
  /** Looks for any sign of life of a start that has shown none. */
  | { readonly kind: "ProbeBoot" }
  | { readonly kind: "RecordBootRetry" }
  /** Says on which of several hosts the VM is to be; for good. */
  | { readonly kind: "BindHost"; readonly host: string }
  /** Says, durably, that the VM is a domain that was there before. */
  | { readonly kind: "RecordAdoption"; readonly provider: string; readonly uuid: string }
  /** Marks the domain as the VM's. */
  | { readonly kind: "Adopt" }
  /** Takes the mark away; domain and disks stay. */
  | { readonly kind: "Release" }
  | { readonly kind: "DestroyAdopted" }
  | { readonly kind: "Undefine" }
  | { readonly kind: "RemoveVolumes" }
  | { readonly kind: "ReleaseLeases" }
  | { readonly kind: "RemoveFinalizer" }
  | { readonly kind: "Settle"; readonly situation: Situation; readonly lookAgainAtMs?: number };

const askAgainMs = 10_000;
export const addressRefreshMs = 60_000;
const bootDeadlineMs = 180_000;
export const foreignLookMs = 30_000;
const heldLookMs = 10_000;
const snapshotLookMs = 1_000;

/** Identifies a step within one look, for `PlanInput.done`. */
export function stepKey(step: Step): string {
  switch (step.kind) {
    case "EnsureDataDisk":
      return `${step.kind}/${step.disk.name}`;
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "GrowDisk":
      return diskStepKey(step);
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
      return nicStepKey(step);
    default:
      return step.kind;
  }
}

export function decide(input: PlanInput): Step {
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  switch (input.seen.kind) {
    case "unavailable":
      return input.provider === undefined
        ? blocked(input.definition, input.build)
        : settle({ kind: "Unavailable", error: input.seen.error });
    case "foreign": {
      const { domain, reason } = input.seen;
      return settle({ kind: "NameConflict", domain, reason }, input.nowMs + foreignLookMs);
    }
    case "unbound": {
      const { domain } = input.seen;
      return settle({ kind: "NameConflict", domain, reason: "it is not adopted" }, input.nowMs + foreignLookMs);
    }
    case "absent":
      return decideAbsent(input);
    case "present":
      return decidePresent(input, input.seen);
  }
}

function decideAbsent(input: PlanInput): Step {
  const { record, definition, build } = input;
  if (isStopUnrecorded(input)) return { kind: "RecordStop", power: "absent", reason: "undefined" };
  const later = startsLater(input);
  if (later !== undefined) return later;
  if (input.provider === undefined || !definition.ok) return blocked(definition, build);
  if (input.hostChoice !== undefined) return bindHost(input.hostChoice);
  if (!build.ok && build.problems.some((problem) => !isImageProgress(problem))) {
    return settle({ kind: "Blocked", problems: build.problems });
  }
  if (!input.done.has("Check")) return { kind: "Check", definition: definition.value };
  if (!build.ok) return settle({ kind: "Blocked", problems: build.problems });
  if (input.isMacDue) return { kind: "AllocateMacs" };
  if (!isPlaced(record, input.provider, definition.value)) {
    return { kind: "RecordPlacement", provider: input.provider, definition: definition.value };
  }
  if (!input.done.has("EnsureRootDisk")) return { kind: "EnsureRootDisk", disk: build.value.root };
  const disk = input.dataDisks.find(({ name }) => !input.done.has(`EnsureDataDisk/${name}`));
  if (disk !== undefined) return { kind: "EnsureDataDisk", disk };
  if (!input.done.has("WriteSeed")) return { kind: "WriteSeed", seed: build.value.seed };
  return { kind: "Define", definition: definition.value };
}

export function decidePresent(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  // Before the revert that stopped it is forgotten.
  const isStopDue = (seen.power === "off" || seen.power === "crashed") && isStopUnrecorded(input);
  const revert = isStopDue ? undefined : decideRevert(input);
  if (revert !== undefined)
    return revert.kind === "blocked" ? settle({ kind: "Blocked", problems: revert.problems }) : revert;
  switch (seen.power) {
    case "off":
    case "crashed":
      return decideOff(input, seen);
    case "running":
    case "paused":
    case "suspended":
    case "shutting-down":
      return decideOn(input, seen);
  }
}

function decideOff(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  const isOnDeclared = isOnWanted(input.power);
  const isFromMemory = seen.hasSavedMemory === true;
  if (isStopUnrecorded(input)) {
    return { kind: "RecordStop", power: seen.power, reason: isFromMemory ? "saved" : seen.powerReason };
  }
  const asked = decideRequestsWhileOff(input, seen);
  if (asked !== undefined) return asked;
  if (isCrashKept(input, seen)) return settle({ kind: "CrashKept" });
  if (isOnDeclared) {
    const later = startsLater(input);
    if (later !== undefined) return later;
  }
  if (seen.power === "crashed") return { kind: "ForceOff", why: "Crashed" };
  if (isFromMemory) {
    // The guest goes on in the machine that it was saved in: another definition, and its lease, wait until it is really off.
    if (isOnDeclared) return startStep(input, { isFromMemory });
    return settle(input.power === "Suspended" ? { kind: "Suspended" } : { kind: "Stopped", hasSavedMemory: true });
  }
  // An adopted domain stays as it is.
  const definition = input.adopted === undefined ? decideDefinition(input) : undefined;
  if (definition !== undefined) return definition;
  if (!isOnDeclared) return settle({ kind: "Stopped", hasSavedMemory: false });
  // The lease of the last run would pass for an address of this one long before the guest is up.
  const hasLease = input.adopted === undefined && input.record.lastStop !== undefined;
  if (hasLease && !input.done.has("ReleaseLeases")) return { kind: "ReleaseLeases" };
  return startStep(input, { isFromMemory });
}

/** Nothing when the domain is as declared. */
function decideDefinition(input: PlanInput): Step | undefined {
  const { definition, record, provider } = input;
  if (!definition.ok || provider === undefined) return isAsDeclared(input) ? undefined : blocked(definition);
  const growth = growthOf({ record, sizes: input.diskSizes });
  const isChanged = !isPlaced(record, provider, definition.value) || growth.length > 0;
  // Each start defines anew: whatever was done to the domain since, it starts as declared.
  const isDefineDue = record.isDefineDue === true || (isOnWanted(input.power) && !input.done.has("Define"));
  if (!isChanged && !isDefineDue) return undefined;
  return redefine(input, { definition: definition.value, provider, isChanged });
}

function startStep(input: PlanInput, { isFromMemory }: { readonly isFromMemory: boolean }): Step {
  return decidePausedStart(input) ?? { kind: "Start", isPaused: input.power === "Paused", isFromMemory };
}

/** The domain exists: its root disk and seed stay as they are, new data disks are made. */
function redefine(
  input: PlanInput,
  to: { readonly definition: VmDefinition; readonly provider: string; readonly isChanged: boolean },
): Step {
  const { record, done } = input;
  const { definition, provider, isChanged } = to;
  if (!done.has("Check")) return { kind: "Check", definition };
  if (input.isMacDue) return { kind: "AllocateMacs" };
  const made = madeDisksOf(record);
  const disk = input.dataDisks.find(({ name }) => !made.has(name) && !done.has(`EnsureDataDisk/${name}`));
  if (disk !== undefined) return { kind: "EnsureDataDisk", disk };
  const growth = growthOf({ record, sizes: input.diskSizes }).find((step) => !done.has(diskStepKey(step)));
  if (growth !== undefined) return growth;
  if (isChanged) return { kind: "RecordPlacement", provider, definition };
  return { kind: "Define", definition };
}

function decideOn(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  const { power, record } = input;
  if (power === "Off") return { kind: "ForceOff", why: "PowerOff" };
  // A guest whose CPUs are halted hears nothing.
  const isHalted = seen.power === "paused" && record.isPausedByUs === true;
  if (power === "OffGraceful") return isHalted ? { kind: "Resume" } : stopGracefully(input);
  if (power === "Suspended") return waited(decideSuspend(input, seen));
  if (isRestartWanted(input)) {
    // Once the guest was asked there is no way back; before that, a VM that could not be started again is left running.
    if (record.shutdownRequestedAtMs === undefined && input.adopted === undefined) {
      if (!input.definition.ok && !isAsDeclared(input)) return blocked(input.definition);
      if (input.definition.ok && !input.done.has("Check")) return { kind: "Check", definition: input.definition.value };
    }
    return isHalted ? { kind: "Resume" } : stopGracefully(input);
  }
  // It stands still for a snapshot of its memory, and goes on by itself.
  if (seen.power === "paused" && !isHalted && input.isBeingSnapshotted === true) {
    return sooner(watchRun(input), input.nowMs + snapshotLookMs);
  }
  const runState = decideRunState(input, seen);
  if (runState !== undefined) return waited(runState);
  const size = decideSize(input, seen);
  if (size.kind !== "wait") return size;
  const disks = decideDisks(input, seen);
  if (disks.kind !== "wait") return disks;
  const nics = decideNics(input, seen);
  if (nics.kind !== "wait") return nics;
  return [size, disks, nics].reduce((step, { lookAgainAtMs }) => sooner(step, lookAgainAtMs), watchRun(input));
}

function decideSize(
  { sizing, definition, record, nowMs, done }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): ReturnType<typeof decideRunningSize> {
  if (sizing === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  return decideRunningSize({ nowMs, record, definition: definition.value, done, ...sizing }, seen);
}

function waited(
  decision: RunStateStep | { readonly kind: "wait"; readonly situation: Situation; readonly lookAgainAtMs?: number },
): Step {
  return decision.kind === "wait" ? settle(decision.situation, decision.lookAgainAtMs) : decision;
}

function watchRun(input: PlanInput): Step {
  const { addresses, adopted, record, nowMs } = input;
  if (addresses.length > 0) return settle({ kind: "Running" }, nowMs + addressRefreshMs);
  // Of an adopted guest nobody here knows whether it is to have an address.
  if (adopted !== undefined) {
    const isYoung = nowMs - (record.runningSinceMs ?? nowMs) < addressRefreshMs;
    return settle({ kind: "Running" }, nowMs + (isYoung ? 5_000 : addressRefreshMs));
  }
  if (!input.expectsAddress) return settle({ kind: "Running" });
  return watchBoot(input);
}

function decideDisks(
  { hotDisks, definition, record, ...input }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): Step | HotWait {
  if (hotDisks === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  const { nowMs, dataDisks, diskSizes, done } = input;
  const { disks } = definition.value;
  const decision = decideRunningDisks({ nowMs, record, disks, dataDisks, sizes: diskSizes, done, ...hotDisks }, seen);
  return decision.kind === "RecordDisks" ? { ...decision, definition: definition.value } : decision;
}

function decideNics(
  { hotNics, definition, record, nowMs, isMacDue, done }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): Step | HotWait {
  if (hotNics === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  const decision = decideRunningNics({ nowMs, record, definition: definition.value, isMacDue, done, ...hotNics }, seen);
  return decision.kind === "RecordNics" ? { ...decision, definition: definition.value } : decision;
}

function sooner(step: Step, atMs: number | undefined): Step {
  if (step.kind !== "Settle" || atMs === undefined) return step;
  return { ...step, lookAgainAtMs: Math.min(atMs, step.lookAgainAtMs ?? atMs) };
}

function watchBoot(input: PlanInput): Step {
  const { record, nowMs } = input;
  const ageMs = record.runningSinceMs === undefined ? 0 : nowMs - record.runningSinceMs;
  // Asked for by an earlier look that did not live to do it.
  if (record.bootRetry === "wanted") return { kind: "ForceOff", why: "BootRetry" };
  if (record.bootRetry === undefined && ageMs >= bootDeadlineMs && input.bootProbe !== "alive") {
    return input.bootProbe === "silent" ? { kind: "RecordBootRetry" } : { kind: "ProbeBoot" };
  }
  return settle({ kind: "WaitingForAddress" }, nowMs + addressPollMs(ageMs));
}

/** Quick while a guest is expected to come up, slower once it is late. */
export function addressPollMs(ageMs: number): number {
  if (ageMs < 60_000) return 500;
  return Math.min(5_000, 500 + (ageMs - 60_000) / 40);
}

function stopGracefully(input: PlanInput): Step {
  const { record, nowMs } = input;
  if (record.shutdownRequestedAtMs === undefined) return { kind: "RecordShutdownRequest" };
  const deadlineMs = record.shutdownRequestedAtMs + input.gracefulTimeoutMs;
  if (nowMs >= deadlineMs) return { kind: "ForceOff", why: "Deadline" };
  // A guest that is still booting misses the power button, so it is pressed now and then.
  const nextAskMs = input.shutdownAskedAtMs === undefined ? nowMs : input.shutdownAskedAtMs + askAgainMs;
  if (nowMs >= nextAskMs) return { kind: "RequestShutdown" };
  return settle({ kind: "ShuttingDown", deadlineMs }, Math.min(deadlineMs, nextAskMs));
}

function decideDelete(input: PlanInput): Step {
  const { seen, done } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  // Nothing was made before it is bound to a host.
  if (input.hostChoice !== undefined) return { kind: "RemoveFinalizer" };
  if (input.provider === undefined) {
    if (input.record.madeOn === undefined || input.isForcedDelete) return { kind: "RemoveFinalizer" };
    const message = `Provider "${input.record.madeOn}", on which this VM was made, does not exist`;
    return settle({ kind: "DeleteBlocked", problem: { reason: "ProviderNotFound", message } });
  }
  const staying = input.stayingSnapshots ?? [];
  if (staying.length > 0 && !input.isForcedDelete)
    return settle({ kind: "DeleteHeld", snapshots: staying }, input.nowMs + heldLookMs);
  switch (seen.kind) {
    case "unavailable":
      if (input.isForcedDelete) return { kind: "RemoveFinalizer" };
      // Nothing can be there: the placement is recorded before the first volume is made.
      if (input.record.madeOn === undefined) return { kind: "RemoveFinalizer" };
      return settle({ kind: "DeleteUnavailable", error: seen.error });
    case "present":
      return seen.power === "off" ? { kind: "Undefine" } : { kind: "ForceOff", why: "Delete" };
    case "foreign":
    case "unbound":
    case "absent":
      if (!done.has("RemoveVolumes")) return { kind: "RemoveVolumes" };
      if (!done.has("ReleaseLeases")) return { kind: "ReleaseLeases" };
      return { kind: "RemoveFinalizer" };
  }
}

/** Until the user wants it off, or asks for a restart. */
function isCrashKept(
  { power, definition, record, restartRequest }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): boolean {
  const isRestart = restartRequest !== undefined && restartRequest !== record.lastRestartRequest;
  const isPreserved = definition.ok && definition.value.onCrash === "preserve";
  return seen.power === "crashed" && isPreserved && isOnWanted(power) && !isRestart;
}

export function isStopUnrecorded({ record, seen, power, restartRequest }: PlanInput): boolean {
  if (record.runningSinceMs !== undefined || record.shutdownRequestedAtMs !== undefined) return true;
  // A restart asked of a VM that is off: starting it is all there is to do, and the record must say so before the start.
  const isPending = restartRequest !== undefined && restartRequest !== record.lastRestartRequest && isOnWanted(power);
  // One whose memory is saved is restored first: only a running guest can be restarted.
  const isOff = seen.kind === "present" && seen.hasSavedMemory !== true;
  return isOff && isPending && record.restartStoppedFor !== restartRequest;
}

function isRestartWanted({ record, restartRequest }: PlanInput): boolean {
  return (
    restartRequest !== undefined &&
    restartRequest !== record.lastRestartRequest &&
    restartRequest !== record.restartStoppedFor
  );
}

function isPlaced(record: VmRecord, provider: string, definition: VmDefinition): boolean {
  return (
    record.madeOn === provider && record.applied !== undefined && changedFields(record.applied, definition).length === 0
  );
}

/** The domain is what the present spec asked for, though something that the spec names has gone since. */
function isAsDeclared({ record, generation, definition }: PlanInput): boolean {
  if (definition.ok) return true;
  return record.applied?.generation === generation && definition.problems.every(({ reason }) => isMissing[reason]);
}

/** Whether an object is not there, as against one that says something impossible. */
const isMissing: Readonly<Record<Problem["reason"], boolean>> = {
  ProviderNotFound: true,
  ClassNotFound: true,
  ImageNotFound: true,
  NetworkNotFound: true,
  NetworkNotReady: true,
  SecretNotFound: true,
  VolumeNotFound: true,
  VolumeNotReady: true,
  AddressInUse: false,
  SnapshotNotFound: false,
  SnapshotNotReady: false,
  PoolFull: false,
  InvalidUserData: false,
  InvalidSpec: false,
  Unsupported: false,
  ImageNotReady: false,
  ImageFailed: false,
  DomainNotFound: true,
  DomainNotFree: false,
  NoHostFits: false,
};

function isImageProgress({ reason }: Problem): boolean {
  return reason === "ImageNotReady";
}

function startsLater({ record, nowMs }: PlanInput): Step | undefined {
  const atMs = record.nextStartMs;
  return atMs === undefined || atMs <= nowMs ? undefined : settle({ kind: "StartsLater", atMs }, atMs);
}

export function bindHost(choice: HostChoice): Step {
  if (choice.kind === "chosen") return { kind: "BindHost", host: choice.host };
  const message = `No host can take the VM: ${choice.reasons.join("; ")}`;
  return settle({ kind: "Blocked", problems: [{ reason: "NoHostFits", message }] });
}

export function blocked(...resolved: readonly Resolved<unknown>[]): Step {
  return settle({ kind: "Blocked", problems: resolved.flatMap((each) => (each.ok ? [] : each.problems)) });
}

export function settle(situation: Situation, lookAgainAtMs?: number): Step {
  return { kind: "Settle", situation, ...(lookAgainAtMs === undefined ? {} : { lookAgainAtMs }) };
}
