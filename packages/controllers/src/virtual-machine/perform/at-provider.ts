// Does a step at the provider, and keeps what is remembered in time with it: what a successor must know is written before, what the step
// changed is noted before or after it.

import { withDeadline } from "../../deadline.ts";
import { openOf } from "../connection.ts";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { forgetRun } from "../memory.ts";
import { recordRequest } from "../plan/run-state-plan.ts";
import { recordDefined } from "../record.ts";
import { flush } from "../report.ts";
import { identityOf } from "../resolve/definition.ts";
import { macsOf } from "../resolve/macs.ts";
import { act } from "./act.ts";
import { changesDomain, stepDeadlineMs } from "./step-facts.ts";
import type { ProviderStep } from "./step-facts.ts";
import { asCourtesy } from "./as-courtesy.ts";
import type { StepOptions } from "./step-options.ts";

export async function atProvider(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<ProviderStep["kind"]>,
): Promise<void> {
  const { vm } = look;
  const open = openOf(context, look);
  if (look.mustWrite || (input.isDeleting && vm.status?.phase !== "Deleting")) {
    await flush(context, look, { step: step.kind, input });
  }
  if (changesDomain[step.kind]) look.isStale = true;
  noteBefore(look, step, context.clock.now());
  const macs = [...new Set([...(look.record.applied?.macs ?? []), ...macsOf(vm)])];
  const acted = withDeadline((signal) => act(open, step, { vm: identityOf(vm), macs, signal }), {
    clock: context.clock,
    what: `${step.kind} of VM "${vm.metadata.name}"`,
    deadlineMs: stepDeadlineMs[step.kind],
    signal: look.signal,
  });
  // Before a start it is a courtesy: a lease that stays is no reason to stay off.
  await (step.kind === "ReleaseLeases" && !input.isDeleting ? asCourtesy(look, acted) : acted);
  await noteAfter(context, look, { step, input });
}

function noteBefore({ memory, record }: Look, step: ProviderStep, nowMs: number): void {
  switch (step.kind) {
    case "RequestShutdown":
      memory.shutdownAskedAtMs = nowMs;
      return;
    case "Revert":
      forgetRun(memory);
      return;
    case "Start":
      forgetRun(memory);
      memory.isFreshStart = record.lastStop !== undefined && !step.isFromMemory;
      return;
    default:
  }
}

async function noteAfter(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions<ProviderStep["kind"]>,
): Promise<void> {
  switch (step.kind) {
    case "Define":
      look.record = recordDefined(look.record);
      return;
    case "Revert":
      look.remember({ ...look.record, revert: { ...step.revert, isDone: true } });
      await flush(context, look, { step: step.kind, input });
      return;
    case "Reboot":
      look.remember(recordRequest(look.record, "reboot", step.request));
      return;
    case "Reset":
      look.remember(recordRequest(look.record, "reset", step.request));
      return;
    case "DiscardMemory":
      look.remember(recordRequest(look.record, "discardMemory", step.request));
      return;
    default:
  }
}
