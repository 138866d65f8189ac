// Writes down what happens to a run of the guest: that it ended and why, that its end was asked for, that its CPUs are halted by us.

import { isProviderError } from "@vivarium/provider";
import { withDeadline } from "../../deadline.ts";
import { openOf } from "../connection.ts";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { forgetRun } from "../memory.ts";
import { lookDeadlineMs } from "../observe.ts";
import { recordRequest } from "../plan/run-state-plan.ts";
import { tell } from "../report.ts";
import { identityOf } from "../resolve/definition.ts";
import { eventOfStop } from "../status/events.ts";
import { recordStop } from "../stop.ts";
import { probeBoot } from "./probe-boot.ts";
import type { StepOptions } from "./step-options.ts";

export function noteStop(context: VmContext, look: Look, { step, input }: StepOptions<"RecordStop">): void {
  const { restartRequest, power } = input;
  const asked = restartRequest === undefined ? {} : { restartRequest };
  const { record } = look;
  const found = { power: step.power, reason: step.reason };
  look.remember(recordStop({ nowMs: context.clock.now(), power, ...asked, record, found }));
  if (look.record.lastStop !== record.lastStop) tell(context, look.vm, eventOfStop(look.record, power));
  forgetRun(look.memory);
}

export function noteShutdownRequest({ clock }: Pick<VmContext, "clock">, look: Look): void {
  // The status keeps whole seconds; the guest gets its time in full.
  look.remember({ ...look.record, shutdownRequestedAtMs: Math.ceil(clock.now() / 1000) * 1000 });
}

export function notePowerCycle(
  { clock }: Pick<VmContext, "clock">,
  look: Look,
  { powerCycle }: StepOptions<"RecordPowerCycle">["step"],
): void {
  if (powerCycle.state === "asked") {
    noteShutdownRequest({ clock }, look);
    look.remember({ ...look.record, powerCycle });
    return;
  }
  const { shutdownRequestedAtMs: _, ...rest } = look.record;
  look.remember({ ...rest, powerCycle });
}

export function notePause(look: Look): void {
  look.remember({ ...look.record, isPausedByUs: true });
}

export function noteVoidRequest(look: Look, { what, request }: StepOptions<"RecordVoidRequest">["step"]): void {
  look.remember(recordRequest(look.record, what, request));
}

export function noteBootRetry(look: Look): void {
  look.remember({ ...look.record, bootRetry: "wanted" });
}

/** What cannot be looked at counts as alive: only a boot known to be silent is cut short. */
export async function probe(context: VmContext, look: Look): Promise<void> {
  const { vm, memory, signal: ended } = look;
  const open = openOf(context, look);
  try {
    memory.bootProbe = await withDeadline((signal) => probeBoot(open, identityOf(vm), { signal }), {
      clock: context.clock,
      what: `look for signs of life of VM "${vm.metadata.name}"`,
      deadlineMs: lookDeadlineMs,
      signal: ended,
    });
  } catch (error) {
    if (!isProviderError(error)) throw error;
    memory.bootProbe = "alive";
  }
}
