// Takes a step on the disks of a running VM. What goes wrong with a disk stays with it: the VM runs on, and everything else about it goes on
// as well.

import { isProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";
import { withDeadline } from "./virtual-machine-deadline.ts";
import { identityOf } from "./virtual-machine-definition.ts";
import { diskStepKey } from "./virtual-machine-disk-plan.ts";
import type { DiskStep } from "./virtual-machine-disk-plan.ts";
import type { Look } from "./virtual-machine-look.ts";
import { nextFailure } from "./virtual-machine-memory.ts";
import type { DataDisk, Seen, Step } from "./virtual-machine-plan.ts";
import { act, actOnDisk, stepDeadlineMs } from "./virtual-machine-steps.ts";

export type HotStep = DiskStep | { readonly kind: "EnsureDataDisk"; readonly disk: DataDisk };

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
      return true;
    default:
      return false;
  }
}

/** Whether it was done. Errors of the provider are remembered; others are thrown. */
export async function takeHotStep(
  look: Look,
  step: HotStep,
  { open, clock, random }: { readonly open: OpenProvider; readonly clock: Clock; readonly random: () => number },
): Promise<boolean> {
  const { memory, vm, context } = look;
  const identity = identityOf(vm);
  // A disk that cannot be made waits under the name of what it is made for.
  const key = step.kind === "EnsureDataDisk" ? `AttachDisk/${step.disk.name}` : diskStepKey(step);
  const run = (signal: AbortSignal): Promise<void> =>
    step.kind === "EnsureDataDisk"
      ? act(open, step, { vm: identity, macs: [], signal })
      : actOnDisk(open, step, { vm: identity, signal });
  if (step.kind === "RequestDetach" && !memory.detachAskedAtMs.has(step.name)) {
    memory.detachAskedAtMs.set(step.name, clock.now());
  }
  look.isStale = true;
  try {
    await withDeadline(run, {
      clock,
      what: `${step.kind} of VM "${identity.name}"`,
      deadlineMs: step.kind === "EnsureDataDisk" ? stepDeadlineMs.EnsureDataDisk : hotDeadlineMs,
      signal: context.signal,
    });
    memory.diskFailures.delete(key);
    return true;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const generation = vm.metadata.generation ?? 0;
    const failure = nextFailure(memory.diskFailures.get(key), {
      step: step.kind,
      error,
      generation,
      nowMs: clock.now(),
      random,
    });
    memory.diskFailures.set(key, failure);
    context.log.warn({ step: step.kind, vm: identity.name, disk: key, phase: "failed", err: error }, "step failed");
    return false;
  }
}

/** What was asked and what failed is forgotten once it is over, and with another spec. */
export function tidyDisks({ memory, seen, vm }: Look): void {
  if (seen?.kind === "present") {
    const names = new Set(seen.disks.map(({ name }) => name));
    for (const name of memory.detachAskedAtMs.keys()) if (!names.has(name)) memory.detachAskedAtMs.delete(name);
  }
  for (const [key, failure] of memory.diskFailures) {
    const [kind, name] = key.split("/");
    const isThere = seen?.kind === "present" && seen.disks.some((disk) => disk.name === name);
    // The answer was lost, or somebody else did it.
    const isDone = seen?.kind === "present" && (kind === "AttachDisk" ? isThere : kind === "RequestDetach" && !isThere);
    if (isDone || failure.generation !== (vm.metadata.generation ?? 0)) memory.diskFailures.delete(key);
  }
}
