// Writes down that the running domain has the disks, the interfaces or the size that are declared.

import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { recordSize } from "../plan/size-plan.ts";
import { recordDisks, sizesAfter } from "../applied-disks.ts";
import { recordNics } from "../applied-nics.ts";
import { macsOf } from "../resolve/macs.ts";
import { asCourtesy } from "./as-courtesy.ts";
import type { StepOptions } from "./step-options.ts";

export function noteDisks({ clock }: VmContext, look: Look, { step, input }: StepOptions<"RecordDisks">): void {
  // Not of those that wait until the VM is off.
  const had = new Set(look.record.applied?.disks);
  const grown = input.diskSizes.filter(({ name }) => !had.has(name) || look.done.has(`GrowDisk/${name}`));
  const sizes = sizesAfter(look.record, grown);
  look.remember(recordDisks(look.record, { definition: step.definition, sizes, nowMs: clock.now() }));
}

export async function noteNics(
  { clock }: VmContext,
  look: Look,
  { definition }: StepOptions<"RecordNics">["step"],
): Promise<void> {
  const { vm, open, signal } = look;
  const gone = (look.record.applied?.macs ?? []).filter((mac) => !macsOf(vm).includes(mac));
  look.remember(recordNics(look.record, { definition, nowMs: clock.now() }));
  if (gone.length === 0 || open === undefined) return;
  await asCourtesy(look, open.addresses.release(gone, { signal }));
}

export function noteSize({ clock }: VmContext, look: Look, { fields }: StepOptions<"RecordSize">["step"]): void {
  look.remember(recordSize(look.record, { fields, nowMs: clock.now() }));
}
