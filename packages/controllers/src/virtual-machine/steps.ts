// Does one step at the provider. All that decides is in plan.ts; steps that only write to the API are in virtual-machine.ts.

import { ProviderError } from "@vivarium/provider";
import type {
  AdoptionRole,
  HotplugRole,
  NicRole,
  Provider,
  RunStateRole,
  SnapshotRole,
  VmIdentity,
} from "@vivarium/provider";
import type { DiskStep } from "./disk-plan.ts";
import type { NicStep } from "./nic-plan.ts";
import type { Step } from "./plan.ts";

export type ProviderStep = Extract<
  Step,
  {
    kind:
      | "Check"
      | "EnsureRootDisk"
      | "EnsureDataDisk"
      | "WriteSeed"
      | "Define"
      | "GrowDisk"
      | "Pause"
      | "Resume"
      | "Suspend"
      | "DiscardMemory"
      | "Reboot"
      | "Reset"
      | "Revert"
      | "Start"
      | "RequestShutdown"
      | "ForceOff"
      | "Adopt"
      | "Release"
      | "DestroyAdopted"
      | "Undefine"
      | "RemoveVolumes"
      | "ReleaseLeases";
  }
>;

export interface ActOptions {
  readonly vm: VmIdentity;
  readonly macs: readonly string[];
  readonly signal: AbortSignal;
}

export async function act(provider: Provider, step: ProviderStep, { vm, macs, signal }: ActOptions): Promise<void> {
  const options = { signal };
  switch (step.kind) {
    case "Check":
      return provider.compute.check(step.definition, options);
    case "EnsureRootDisk":
      return provider.disks.ensureRoot(vm, step.disk, options);
    case "EnsureDataDisk":
      return provider.disks.ensureData(vm, step.disk, options);
    case "WriteSeed":
      return provider.disks.writeSeed(vm, step.seed, options);
    case "Define":
      return provider.compute.define(step.definition, options);
    case "GrowDisk":
      return hotplugOf(provider).growDisk(vm, step, options);
    case "Start":
      return provider.compute.start(vm, { ...options, isPaused: step.isPaused });
    case "Revert":
      return snapshotsOf(provider).revert(vm, step.revert, options);
    case "Pause":
      return runStateOf(provider).pause(vm, options);
    case "Resume":
      return runStateOf(provider).resume(vm, options);
    case "Suspend":
      return runStateOf(provider).suspend(vm, options);
    case "DiscardMemory":
      return runStateOf(provider).discardMemory(vm, options);
    case "Reboot":
      return runStateOf(provider).requestReboot(vm, options);
    case "Reset":
      return runStateOf(provider).reset(vm, options);
    case "RequestShutdown":
      return provider.compute.requestShutdown(vm, options);
    case "ForceOff":
      return provider.compute.forceOff(vm, options);
    case "Adopt":
      return adoptionOf(provider).bind(vm, options);
    case "Release":
      return adoptionOf(provider).release(vm, options);
    case "DestroyAdopted":
      return adoptionOf(provider).destroy(vm, options);
    case "Undefine":
      return provider.compute.undefine(vm, options);
    case "RemoveVolumes":
      return provider.disks.remove(vm, options);
    case "ReleaseLeases":
      return provider.addresses.release(macs, options);
  }
}

/** Does one step on the disks or interfaces of a running VM. */
export async function actOnDevice(
  provider: Provider,
  step: DiskStep | NicStep,
  { vm, signal }: { readonly vm: VmIdentity; readonly signal: AbortSignal },
): Promise<void> {
  switch (step.kind) {
    case "AttachDisk":
      return hotplugOf(provider).attachDisk(vm, step.disk, { signal });
    case "RequestDetach":
      return hotplugOf(provider).requestDetach(vm, step.name, { signal });
    case "TuneDisk":
      return hotplugOf(provider).tuneDisk(vm, step, { signal });
    case "GrowDisk":
      return hotplugOf(provider).growDisk(vm, step, { signal });
    case "AttachNic":
      return nicsOf(provider).attachNic(vm, step.nic, { signal });
    case "RequestNicDetach":
      return nicsOf(provider).requestNicDetach(vm, step.mac, { signal });
    case "TuneNic":
      return nicsOf(provider).tuneNic(vm, step.nic, { signal });
  }
}

function adoptionOf(provider: Provider): AdoptionRole {
  if (provider.adoption !== undefined) return provider.adoption;
  throw new ProviderError("Unsupported", "This hypervisor has no way to adopt domains");
}

function hotplugOf(provider: Provider): HotplugRole {
  if (provider.hotplug !== undefined) return provider.hotplug;
  throw new ProviderError("Unsupported", "This hypervisor changes no disks of VMs that are there");
}

function snapshotsOf(provider: Provider): SnapshotRole {
  if (provider.snapshots !== undefined) return provider.snapshots;
  throw new ProviderError("Unsupported", "This hypervisor has no snapshots");
}

function runStateOf(provider: Provider): RunStateRole {
  if (provider.runState !== undefined) return provider.runState;
  throw new ProviderError("Unsupported", "This hypervisor only powers VMs on and off");
}

function nicsOf(provider: Provider): NicRole {
  if (provider.nics !== undefined) return provider.nics;
  throw new ProviderError("Unsupported", "This hypervisor changes no interfaces of VMs that are there");
}

/** What a step leads to: steps with one aim fail and wait together. */
export const aimOf: Readonly<Record<Step["kind"], "run" | "stop" | "remove" | "record">> = {
  AddFinalizer: "record",
  RecordPlacement: "run",
  Check: "run",
  EnsureRootDisk: "run",
  EnsureDataDisk: "run",
  WriteSeed: "run",
  Define: "run",
  AttachDisk: "record",
  RequestDetach: "record",
  TuneDisk: "record",
  GrowDisk: "run",
  RecordDisks: "record",
  AddCpus: "record",
  SetMemory: "record",
  SetLimits: "record",
  SetStartOnBoot: "record",
  RecordSize: "record",
  RecordPause: "record",
  Pause: "run",
  Resume: "run",
  Suspend: "stop",
  DiscardMemory: "run",
  Reboot: "run",
  Reset: "run",
  RecordVoidRequest: "record",
  AllocateMacs: "run",
  AttachNic: "record",
  RequestNicDetach: "record",
  TuneNic: "record",
  RecordNics: "record",
  RecordRevert: "record",
  Revert: "run",
  ClearRevert: "record",
  ForgetRevert: "record",
  Start: "run",
  RecordStop: "record",
  RecordShutdownRequest: "record",
  RequestShutdown: "stop",
  ForceOff: "stop",
  ProbeBoot: "record",
  RecordBootRetry: "record",
  BindHost: "record",
  RecordAdoption: "record",
  Adopt: "run",
  Release: "remove",
  DestroyAdopted: "remove",
  Undefine: "remove",
  RemoveVolumes: "remove",
  ReleaseLeases: "remove",
  RemoveFinalizer: "remove",
  Settle: "record",
};

/** Whether the domain may be another one afterwards, so that it must be observed again. */
export const changesDomain: Readonly<Record<ProviderStep["kind"], boolean>> = {
  Check: false,
  EnsureRootDisk: false,
  EnsureDataDisk: false,
  WriteSeed: false,
  Define: true,
  GrowDisk: false,
  Pause: true,
  Resume: true,
  Suspend: true,
  DiscardMemory: true,
  Reboot: true,
  Reset: true,
  Revert: true,
  Start: true,
  RequestShutdown: true,
  ForceOff: true,
  Adopt: true,
  Release: false,
  DestroyAdopted: true,
  Undefine: true,
  RemoveVolumes: false,
  ReleaseLeases: false,
};

/** Of one step; cloning and filling a disk takes longest. */
export const stepDeadlineMs: Readonly<Record<ProviderStep["kind"], number>> = {
  Check: 30_000,
  EnsureRootDisk: 600_000,
  EnsureDataDisk: 600_000,
  WriteSeed: 120_000,
  Define: 60_000,
  GrowDisk: 120_000,
  Pause: 30_000,
  Resume: 30_000,
  // All of the memory goes to disk.
  Suspend: 900_000,
  DiscardMemory: 60_000,
  Reboot: 30_000,
  Reset: 30_000,
  // From saved memory it takes as long as reading that.
  // Memory is read back whole, and files may be merged.
  Revert: 3_600_000,
  Start: 300_000,
  RequestShutdown: 30_000,
  ForceOff: 60_000,
  Adopt: 30_000,
  Release: 30_000,
  DestroyAdopted: 120_000,
  Undefine: 60_000,
  RemoveVolumes: 120_000,
  ReleaseLeases: 30_000,
};

/**
 * Whether a start that has no address shows any other sign of life. `alive` also where that cannot be told or where guests run in
 * hardware: only a boot known to be silent may be cut short.
 */
export async function probeBoot(
  provider: Provider,
  vm: VmIdentity,
  { signal }: { readonly signal: AbortSignal },
): Promise<"silent" | "alive"> {
  if (provider.console === undefined) return "alive";
  const { acceleration } = await provider.describe({ signal });
  if (acceleration.kind !== "tcg") return "alive";
  const seen = await provider.compute.observe(vm, { signal });
  if (seen.kind !== "present" || seen.power !== "running" || seen.agentConnected) return "alive";
  const log = await provider.console.readLog(vm, { signal, tailBytes: 4096 });
  return log.byteLength === 0 ? "silent" : "alive";
}
