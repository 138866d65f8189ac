// What a VM's status says about its disks: which the guest has, and why one that is declared is not there. Pure.

import type { VirtualMachineSpec, VirtualMachineStatus } from "@vivarium/api";
import type { DiskDefinition } from "@vivarium/provider";
import { shrinkageOf, surplusOf } from "../plan/disk-plan.ts";
import type { DiskSize } from "../plan/disk-plan.ts";
import { detaching, failedStep, no, notComparable } from "./hot-status.ts";
import type { HotReport, Judgement } from "./hot-status.ts";
import type { Problem, Resolved, Seen } from "../plan/input.ts";
import type { VmRecord } from "../record.ts";

export interface DiskReport extends HotReport {
  readonly definition: Resolved<{ readonly disks: readonly DiskDefinition[] }>;
  readonly record: VmRecord;
  readonly sizes: readonly DiskSize[];
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

export function disksCondition(seen: Present, report: DiskReport): Judgement {
  const { definition } = report;
  if (!definition.ok) {
    const problem = definition.problems.find(({ reason }) => diskProblems.has(reason));
    return problem === undefined ? notComparable : no(problem.reason, problem.message);
  }
  const failed = failedStep(report);
  if (failed !== undefined) return failed;
  const shrunk = shrinkageOf(report);
  if (shrunk.length > 0) {
    return no("ShrinkRefused", `The spec wants ${shrunk.join(", ")} smaller than made: disks do not shrink`);
  }
  const surplus = surplusOf(seen, definition.value.disks).map(({ name }) => ({ key: name, name }));
  const going = detaching(surplus, { ...report, what: "disk", help: "unmount it there" });
  if (going !== undefined) return going;
  const missing = definition.value.disks.filter(({ name }) => !seen.disks.some((disk) => disk.name === name));
  if (missing.length > 0) {
    return no("NotAttached", `Not plugged in yet: ${missing.map(({ name }) => name).join(", ")}`);
  }
  return { status: "True", reason: "AsDeclared", message: "The VM has the disks that it shall have" };
}
