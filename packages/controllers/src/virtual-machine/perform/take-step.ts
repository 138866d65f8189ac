// Takes one step: holds back what failed a moment ago, remembers what fails now, and tells what was done.

import { formatKey } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import { requestOf } from "../../request-of.ts";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { nextFailure } from "../memory.ts";
import { stepKey } from "../plan/step.ts";
import type { Situation, Step } from "../plan/step.ts";
import { tell } from "../report.ts";
import { eventOfStep } from "../status/events.ts";
import { aimOf } from "./step-facts.ts";
import { hotRunOf } from "./hot-run.ts";
import { isHotStep, takeHotStep } from "./hot-steps.ts";
import { perform } from "./perform.ts";
import type { StepOptions } from "./step-options.ts";

/**
 * A step that failed a moment ago is not tried before its time, whatever woke us, nor are those that lead to it: a define that goes
 * well before a start that fails makes an event, and that would wake us again.
 */
export function heldBack({ clock }: VmContext, { memory, vm }: Look, step: Step): Situation | undefined {
  const { failure } = memory;
  if (failure === undefined || failure.step === "Observe") return undefined;
  const aim = aimOf[step.kind];
  if (aim === "record" || aimOf[failure.step] !== aim) return undefined;
  if (failure.generation !== (vm.metadata.generation ?? 0) || failure.retryAtMs <= clock.now()) return undefined;
  return { kind: "StepFailed", step: failure.step, error: failure.error };
}

/** Gives what went wrong at the provider; throws what went wrong elsewhere. */
export async function takeStep(
  context: VmContext,
  look: Look,
  { step, input }: StepOptions,
): Promise<Situation | undefined> {
  const { clock, random } = context;
  const { log, memory } = look;
  const facts = {
    record: look.record,
    power: input.power,
    wasAbsent: input.seen.kind === "absent",
    isRestart: look.record.restartStoppedFor !== undefined,
  };
  const logged = {
    step: step.kind,
    vm: formatKey(requestOf(look.vm)),
    ...("disk" in step ? { disk: step.disk.name } : {}),
  };
  try {
    log.info({ ...logged, phase: "start" }, "step");
    if (isHotStep(step, input.seen)) {
      const run = hotRunOf(context, look, { step, input });
      const isDone = await takeHotStep(look, step, { run, clock, random });
      if (!isDone) return undefined;
    } else await perform(context, look, { step, input });
    log.info({ ...logged, phase: "done" }, "step");
  } catch (error) {
    if (!isProviderError(error)) throw error;
    log.warn({ ...logged, phase: "failed", err: error }, "step failed");
    const generation = look.vm.metadata.generation ?? 0;
    memory.failure = nextFailure(memory.failure, { step: step.kind, error, generation, nowMs: clock.now(), random });
    return { kind: "StepFailed", step: step.kind, error };
  }
  if (memory.failure?.step === step.kind) memory.failure = undefined;
  look.done.add(stepKey(step));
  tell(context, look.vm, eventOfStep(step, facts));
  return undefined;
}
