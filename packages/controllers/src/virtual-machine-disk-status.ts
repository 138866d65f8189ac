// What a VM's status says about its disks: which the guest has, and why one that is declared is not there. Pure.

import { formatTime } from "@vivarium/api";
import type { Condition, VirtualMachineSpec, VirtualMachineStatus } from "@vivarium/api";
import type { DiskDefinition } from "@vivarium/provider";
import { detachDeadlineMs, shrinkageOf, surplusOf } from "./virtual-machine-disk-plan.ts";
import type { DiskSize } from "./virtual-machine-disk-plan.ts";
import type { StepFailure } from "./virtual-machine-memory.ts";
import type { Problem, Resolved, Seen } from "./virtual-machine-plan.ts";
import type { VmRecord } from "./virtual-machine-record.ts";

export interface DiskReport {
  readonly definition: Resolved<{ readonly disks: readonly DiskDefinition[] }>;
  readonly record: VmRecord;
  readonly sizes: readonly DiskSize[];
  readonly detachAskedAtMs: ReadonlyMap<string, number>;
  readonly failures: readonly StepFailure[];
  readonly nowMs: number;
}

type Present = Extract<Seen, { kind: "present" }>;
type Disks = NonNullable<VirtualMachineStatus["disks"]>;

export function disksOfStatus(
  seen: Present,
  { detachAskedAtMs, declared }: DiskReport & { readonly declared: NonNullable<VirtualMachineSpec["disks"]> },
): Disks {
  return seen.disks
    .filter((disk) => disk.isOurs)
    .map(({ name, target }) => {
      const volume = declared.find((disk) => disk.name === name)?.volumeRef?.name;
      const isGoing = detachAskedAtMs.has(name) && !declared.some((disk) => disk.name === name);
      return {
        name,
        target,
        ...(volume === undefined ? {} : { volume }),
        state: isGoing ? "Detaching" : "Attached",
      };
    });
}

const diskProblems: ReadonlySet<Problem["reason"]> = new Set(["VolumeNotFound", "VolumeNotReady"]);

export function disksCondition(seen: Present, report: DiskReport): Pick<Condition, "status" | "reason" | "message"> {
  const no = (reason: string, message: string) => ({ status: "False", reason, message }) as const;
  const { definition, failures, detachAskedAtMs, nowMs } = report;
  if (!definition.ok) {
    const problem = definition.problems.find(({ reason }) => diskProblems.has(reason));
    if (problem !== undefined) return no(problem.reason, problem.message);
    return { status: "Unknown", reason: "NotComparable", message: "What the VM shall be cannot be resolved now" };
  }
  const [failure] = failures;
  if (failure !== undefined) {
    return no(failure.error.code, `${failure.error.message}; tried again at ${timeOf(failure.retryAtMs)}`);
  }
  const shrunk = shrinkageOf(report);
  if (shrunk.length > 0) {
    return no("ShrinkRefused", `The spec wants ${shrunk.join(", ")} smaller than made: disks do not shrink`);
  }
  const going = surplusOf(seen, definition.value.disks).map(({ name }) => name);
  const late = going.filter((name) => (detachAskedAtMs.get(name) ?? nowMs) + detachDeadlineMs <= nowMs);
  if (late.length > 0) {
    const sinceMs = Math.min(...late.map((name) => detachAskedAtMs.get(name) ?? nowMs));
    return no(
      "DetachRefused",
      `The guest has not let go of ${late.join(", ")} since ${timeOf(sinceMs)}: unmount it there. It is asked again every minute; without that the disk goes when the VM is next off`,
    );
  }
  if (going.length > 0) return no("Detaching", `The guest was asked to let go of ${going.join(", ")}`);
  const missing = definition.value.disks.filter(({ name }) => !seen.disks.some((disk) => disk.name === name));
  if (missing.length > 0) {
    return no("NotAttached", `Not plugged in yet: ${missing.map(({ name }) => name).join(", ")}`);
  }
  return { status: "True", reason: "AsDeclared", message: "The VM has the disks that it shall have" };
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
