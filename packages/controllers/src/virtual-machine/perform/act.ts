// Does one step at the provider. All that decides is in plan/; what is written down with a step is in the parts beside this one.

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
import type { DiskStep } from "../plan/disk-plan.ts";
import type { NicStep } from "../plan/nic-plan.ts";
import type { ProviderStep } from "./step-facts.ts";

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
