// The first half of a look: which connection the VM is to be looked at through, what is there, and at which addresses it is.

import { restartAnnotation } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { withDeadline } from "../deadline.ts";
import { orUnavailable } from "../or-unavailable.ts";
import { connectionOfVm, hostOfVm } from "../vm-host.ts";
import { findAddresses } from "./address-lookup.ts";
import { boundVm } from "./binding.ts";
import { notOpen } from "./connection.ts";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";
import type { Seen } from "./plan/input.ts";
import { isRestartWanted } from "./plan/restart.ts";
import { recordRunning } from "./record.ts";
import { identityOf, resolveProvider } from "./resolve/definition.ts";

export const lookDeadlineMs = 20_000;

/** What was seen stays good until a step may have changed it. */
export async function observe(context: VmContext, look: Look): Promise<void> {
  const resolved = resolveProvider(look.vm, context.related, look.record.madeOn);
  const object = resolved.ok ? resolved.value : resolved.made;
  const connection = object && connectionOfVm(boundVm(look), object);
  look.provider = resolved;
  look.providerKey = object && { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
  look.host = object && hostOfVm(boundVm(look), object);
  look.open = connection && context.providers.get(connection);
  if (object !== undefined && connection === undefined) {
    // Not bound to any of several hosts yet: nothing of it can be anywhere.
    look.seen = { kind: "absent", volumes: [] };
    look.isStale = true;
    return;
  }
  if (look.seen !== undefined && !look.isStale) return;
  look.seen = await see(context, look);
  look.isStale = false;
  if (look.seen.kind !== "unavailable") {
    look.memory.hasBeenObserved = true;
    if (look.memory.failure?.step === "Observe") look.memory.failure = undefined;
  }
  if (look.seen.kind === "present") await followRun(context, look, look.seen);
}

async function see(context: VmContext, look: Look): Promise<Seen> {
  const { open } = look;
  if (open === undefined) return { kind: "unavailable", error: notOpen(context, look) };
  const identity = identityOf(look.vm);
  return orUnavailable(() =>
    withDeadline((signal) => open.compute.observe(identity, { signal }), {
      clock: context.clock,
      what: `look at VM "${identity.name}"`,
      deadlineMs: lookDeadlineMs,
      signal: look.signal,
    }),
  );
}

/** Of one that is on: its addresses, and since when. */
async function followRun(
  { clock }: VmContext,
  look: Look,
  { power }: Extract<Seen, { kind: "present" }>,
): Promise<void> {
  const restartRequest = look.vm.metadata.annotations?.[restartAnnotation];
  switch (power) {
    case "off":
    case "crashed":
      return;
    case "running":
    case "paused":
    case "suspended":
    case "shutting-down":
      await findAddresses(look, clock);
      look.record = recordRunning(look.record, {
        nowMs: clock.now(),
        isStopWanted:
          isOffWanted(look.vm) ||
          isRestartWanted({ record: look.record, restartRequest }) ||
          look.record.powerCycle?.state === "asked",
        isPauseOver: power === "running" && look.vm.spec.powerState !== "Paused",
        hasAddress: look.memory.addresses.length > 0,
      });
  }
}

function isOffWanted({ spec }: VirtualMachine): boolean {
  return spec.powerState === "Off" || spec.powerState === "OffGraceful";
}
