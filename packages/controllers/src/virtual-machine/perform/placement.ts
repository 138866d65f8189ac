// Writes down where and as what a VM is, before anything is made or marked there.

import { bindHost } from "../binding.ts";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { sizesAfter } from "../applied-disks.ts";
import { appliedFrom } from "../applied.ts";
import { recordPlacement } from "../record.ts";
import { flush } from "../report.ts";
import type { StepOptions } from "./step-options.ts";

export async function noteBinding(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<"BindHost">,
): Promise<void> {
  bindHost(context, look, step.host);
  await flush(context, look, { step: step.kind, input });
}

export async function notePlacement(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<"RecordPlacement">,
): Promise<void> {
  const sizes = sizesAfter(look.record, input.diskSizes);
  const applied = appliedFrom(step.definition, input.generation, sizes);
  const record = recordPlacement(look.record, { provider: step.provider, applied, nowMs: context.clock.now() });
  look.remember({ ...record, ...onHost(look) });
  await flush(context, look, { step: step.kind, input });
}

export async function noteAdoption(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<"RecordAdoption">,
): Promise<void> {
  look.remember({ ...look.record, ...onHost(look), madeOn: step.provider, adoptedUuid: step.uuid });
  await flush(context, look, { step: step.kind, input });
}

/** The host goes on record with the placement. */
function onHost({ host }: Look): { readonly host?: string } {
  return host === undefined ? {} : { host };
}
