// Gives a VM its MAC addresses. Two VMs are looked at at once: what is chosen is claimed before it is written.

import { ProviderError } from "@vivarium/provider";
import { withDeadline } from "../../deadline.ts";
import { openOf } from "../connection.ts";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { lookDeadlineMs } from "../observe.ts";

/** Written with the placement, before anything is made. */
export async function allocateMacs(context: VmContext, look: Look): Promise<void> {
  await withDeadline((signal) => giveMacs(context, look, { signal }), {
    clock: context.clock,
    what: `choose MAC addresses for VM "${look.vm.metadata.name}"`,
    deadlineMs: lookDeadlineMs,
    signal: look.signal,
  });
}

export async function giveMacs(
  context: VmContext,
  look: Look,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const { vm, record } = look;
  const onHost = await context.hostMacs.usesOn(openOf(context, look), { signal });
  const given = context.macLedger.give(vm, {
    record,
    machinesWith: (mac) => context.objects.machinesByMac.of(mac),
    onHost: (mac) => onHost.get(mac) ?? [],
  });
  if (!given.ok) {
    throw new ProviderError("Conflict", `Cannot give VM "${vm.metadata.name}" its MAC addresses: ${given.why}`);
  }
  look.remember({ ...look.record, macs: given.macs });
}
