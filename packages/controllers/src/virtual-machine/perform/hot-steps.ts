// Takes a step on the disks, the interfaces or the size of a running VM. What goes wrong with a device stays with it: the VM runs on, and everything else
// about it goes on as well.

import { isProviderError } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";
import { withDeadline } from "../../deadline.ts";
import { diskStepKey } from "../plan/disk-plan.ts";
import type { DiskStep } from "../plan/disk-plan.ts";
import type { Look } from "../look.ts";
import { nextFailure } from "../memory.ts";
import type { DeviceMemory, VmMemory } from "../memory.ts";
import { nicStepKey } from "../plan/nic-plan.ts";
import type { NicStep } from "../plan/nic-plan.ts";
import type { SizeStep } from "../plan/size-plan.ts";
import type { DataDisk, Seen } from "../plan/input.ts";
import type { Step } from "../plan/step.ts";
import { stepDeadlineMs } from "./step-facts.ts";

export type HotStep =
  | DiskStep
  | NicStep
  | SizeStep
  | { readonly kind: "EnsureDataDisk"; readonly disk: DataDisk }
  | { readonly kind: "AllocateMacs" };

/** libvirt itself waits up to five seconds for a guest to let go. */
const hotDeadlineMs = 30_000;

export function isHotStep(step: Step, seen: Seen): step is HotStep {
  if (seen.kind !== "present" || seen.power === "off" || seen.power === "crashed") return false;
  switch (step.kind) {
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "GrowDisk":
    case "EnsureDataDisk":
    case "AllocateMacs":
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
    case "AddCpus":
    case "SetMemory":
    case "SetLimits":
    case "SetStartOnBoot":
      return true;
    default:
      return false;
  }
}

/** Where the step's failure is remembered, and under what. */
function placeOf(step: HotStep, memory: VmMemory): { readonly devices: DeviceMemory; readonly key: string } {
  switch (step.kind) {
    case "AddCpus":
    case "SetMemory":
    case "SetLimits":
    case "SetStartOnBoot":
      return { devices: memory.size, key: step.kind };
    case "AllocateMacs":
      return { devices: memory.nics, key: step.kind };
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
      return { devices: memory.nics, key: nicStepKey(step) };
    case "EnsureDataDisk":
      // A disk that cannot be made waits under the name of what it is made for.
      return { devices: memory.disks, key: `AttachDisk/${step.disk.name}` };
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "GrowDisk":
      return { devices: memory.disks, key: diskStepKey(step) };
  }
}

/** Whether it was done. Errors of the provider are remembered; others are thrown. */
export async function takeHotStep(
  look: Look,
  step: HotStep,
  {
    run,
    clock,
    random,
  }: {
    readonly run: (signal: AbortSignal) => Promise<void>;
    readonly clock: Clock;
    readonly random: () => number;
  },
): Promise<boolean> {
  const { memory, vm, signal, log } = look;
  const { devices, key } = placeOf(step, memory);
  const asked = step.kind === "RequestDetach" ? step.name : step.kind === "RequestNicDetach" ? step.mac : undefined;
  if (asked !== undefined && !devices.detachAskedAtMs.has(asked)) devices.detachAskedAtMs.set(asked, clock.now());
  look.isStale = true;
  try {
    await withDeadline(run, {
      clock,
      what: `${step.kind} of VM "${vm.metadata.name}"`,
      deadlineMs: step.kind === "EnsureDataDisk" ? stepDeadlineMs.EnsureDataDisk : hotDeadlineMs,
      signal,
    });
    devices.failures.delete(key);
    return true;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const generation = vm.metadata.generation ?? 0;
    const failure = nextFailure(devices.failures.get(key), {
      step: step.kind,
      error,
      generation,
      nowMs: clock.now(),
      random,
    });
    devices.failures.set(key, failure);
    const logged = { step: step.kind, vm: vm.metadata.name, device: key, phase: "failed", err: error };
    log.warn(logged, "step failed");
    return false;
  }
}

/** What was asked and what failed is forgotten once it is over, and with another spec. */
export function tidyDevices({ memory, seen, vm }: Look): void {
  const present = seen?.kind === "present" ? seen : undefined;
  const generation = vm.metadata.generation ?? 0;
  tidy(memory.disks, { present: present?.disks.map(({ name }) => name), generation });
  tidy(memory.nics, { present: present?.nics.map(({ mac }) => mac), generation });
  tidy(memory.size, { present: undefined, generation });
}

function tidy(
  { detachAskedAtMs, failures }: DeviceMemory,
  { present, generation }: { readonly present: readonly string[] | undefined; readonly generation: number },
): void {
  const there = present && new Set(present);
  for (const device of detachAskedAtMs.keys()) if (there?.has(device) === false) detachAskedAtMs.delete(device);
  for (const [key, failure] of failures) {
    const device = key.slice(key.indexOf("/") + 1);
    // The answer was lost, or somebody else did it.
    const isDone = there !== undefined && isOver(key.slice(0, key.indexOf("/")), there.has(device));
    if (isDone || failure.generation !== generation) failures.delete(key);
  }
}

function isOver(kind: string, isThere: boolean): boolean {
  switch (kind) {
    case "AttachDisk":
    case "AttachNic":
      return isThere;
    case "RequestDetach":
    case "RequestNicDetach":
      return !isThere;
    default:
      return false;
  }
}
