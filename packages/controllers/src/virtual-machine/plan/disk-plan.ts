// What comes next for the disks of a VM: attached, let go, limited and grown while it runs, grown while it is off. Pure. Nothing here ever
// disturbs the VM itself: a disk that cannot be changed now is told of, and tried again.

import type { DiskDefinition, DiskLimits, HotDisk, VmObservation } from "@vivarium/provider";
import { HotTurn } from "./hot-plan.ts";
import type { HotMemory, HotWait } from "./hot-plan.ts";
import type { DataDisk } from "./input.ts";
import { madeDisksOf } from "../applied-disks.ts";
import type { VmRecord } from "../record.ts";

/** A disk of the VM's own with the size that it shall have. */
export interface DiskSize {
  readonly name: string;
  readonly sizeBytes: number;
  /** Whether it may grow while the VM runs. */
  readonly isOnline: boolean;
}

export type DiskStep =
  | { readonly kind: "AttachDisk"; readonly disk: HotDisk }
  | { readonly kind: "RequestDetach"; readonly name: string }
  | { readonly kind: "TuneDisk"; readonly name: string; readonly limits: DiskLimits }
  | { readonly kind: "GrowDisk"; readonly name: string; readonly sizeBytes: number };

export interface DiskInput extends HotMemory {
  readonly nowMs: number;
  readonly record: VmRecord;
  /** The first is the root disk. */
  readonly disks: readonly DiskDefinition[];
  readonly dataDisks: readonly DataDisk[];
  readonly sizes: readonly DiskSize[];
  readonly done: ReadonlySet<string>;
}

type Present = Extract<VmObservation, { kind: "present" }>;

export type DiskDecision =
  | { readonly kind: "EnsureDataDisk"; readonly disk: DataDisk }
  | DiskStep
  /** The disks are as declared, and the record does not say so yet. */
  | { readonly kind: "RecordDisks" }
  | HotWait;

export function diskStepKey(step: DiskStep): string {
  return step.kind === "AttachDisk" ? `${step.kind}/${step.disk.name}` : `${step.kind}/${step.name}`;
}

export function decideRunningDisks(input: DiskInput, seen: Present): DiskDecision {
  const { disks, record, done, dataDisks } = input;
  const turn = new HotTurn(input);
  const isHeld = (step: DiskStep): boolean => turn.isHeld(diskStepKey(step));
  let isSettled = true;
  for (const { name } of surplusOf(seen, disks)) {
    isSettled = false;
    const step: DiskStep = { kind: "RequestDetach", name };
    if (turn.isDetachDue(name, diskStepKey(step))) return step;
  }
  const made = madeDisksOf(record);
  for (const disk of disks) {
    const has = seen.disks.find((each) => each.isOurs && each.name === disk.name);
    if (has === undefined) {
      isSettled = false;
      const step: DiskStep = { kind: "AttachDisk", disk };
      if (isHeld(step)) continue;
      const own = dataDisks.find(({ name }) => name === disk.name);
      if (own !== undefined && !made.has(disk.name) && !done.has(`EnsureDataDisk/${disk.name}`)) {
        return { kind: "EnsureDataDisk", disk: own };
      }
      return step;
    }
    if (!isSameLimits(has.limits, disk.limits ?? {})) {
      const step: DiskStep = { kind: "TuneDisk", name: disk.name, limits: disk.limits ?? {} };
      if (!isHeld(step)) return step;
    }
  }
  for (const step of growthOf(input)) {
    if (!isHeld(step) && input.sizes.some((each) => each.name === step.name && each.isOnline)) return step;
  }
  if (isSettled && isRecordDue(input)) return { kind: "RecordDisks" };
  return turn.wait();
}

/** Disks that have grown in the spec since they were made, or that were made before sizes were recorded. */
export function growthOf(
  input: Pick<DiskInput, "record" | "sizes">,
): readonly Extract<DiskStep, { kind: "GrowDisk" }>[] {
  const applied = input.record.applied;
  const made = new Set(applied?.disks);
  return input.sizes
    .filter(({ name }) => made.has(name))
    .filter(({ name, sizeBytes }) => {
      const recorded = applied?.sizes?.[name];
      // The root disk is as large as its image at least, which the spec need not know.
      return recorded === undefined ? name !== applied?.disks[0] : sizeBytes > recorded;
    })
    .map(({ name, sizeBytes }) => ({ kind: "GrowDisk", name, sizeBytes }));
}

/** Disks that the spec wants smaller than they are: refused. */
export function shrinkageOf(input: Pick<DiskInput, "record" | "sizes">): readonly string[] {
  return input.sizes
    .filter(({ name, sizeBytes }) => sizeBytes < (input.record.applied?.sizes?.[name] ?? 0))
    .map(({ name }) => name);
}

/** Disks of ours that the guest has and the spec has not. */
export function surplusOf(seen: Present, disks: readonly DiskDefinition[]): Present["disks"] {
  const wanted = new Set(disks.map(({ name }) => name));
  return seen.disks.filter((disk) => disk.isOurs && !wanted.has(disk.name));
}

/** The set of disks, or a size that went through, is not what was written last. */
function isRecordDue({ record, disks, sizes, done }: DiskInput): boolean {
  const { applied } = record;
  if (applied === undefined) return false;
  const names = disks.map(({ name }) => name).join();
  const hasGrown = growthOf({ record, sizes }).some(({ name }) => done.has(`GrowDisk/${name}`));
  return names !== applied.disks.join() || hasGrown;
}

function isSameLimits(a: DiskLimits, b: DiskLimits): boolean {
  const keys = [...Object.keys(a), ...Object.keys(b)] as (keyof DiskLimits)[];
  return keys.every((key) => a[key] === b[key]);
}
