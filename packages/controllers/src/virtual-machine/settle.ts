// Ends a look: says how the VM is, and when to look again.

import type { ReconcileResult } from "@vivarium/runtime";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";
import { nextFailure } from "./memory.ts";
import type { PlanInput } from "./plan/input.ts";
import type { Situation } from "./plan/step.ts";
import { writeReport } from "./report.ts";

/** After a start of the server the connections need a moment: not seen yet is not worth a status. */
const graceMs = 5_000;

export async function settle(
  context: VmContext,
  look: Look,
  {
    situation,
    lookAgainAtMs,
    input,
  }: { readonly situation: Situation; readonly lookAgainAtMs?: number; readonly input: PlanInput },
): Promise<ReconcileResult> {
  const { clock, random } = context;
  const { memory, vm } = look;
  const nowMs = clock.now();
  switch (situation.kind) {
    case "Gone":
      return undefined;
    case "Unavailable":
    case "DeleteUnavailable": {
      if (!memory.hasBeenObserved && nowMs - memory.firstLookMs < graceMs) return { requeueAfterMs: 500 };
      const { error } = situation;
      const generation = vm.metadata.generation ?? 0;
      const isDue = memory.failure?.step !== "Observe" || memory.failure.retryAtMs <= nowMs;
      if (isDue) {
        memory.failure = nextFailure(memory.failure, { step: "Observe", error, generation, nowMs, random });
      }
      break;
    }
    case "StepFailed":
      break;
    default:
      if (memory.failure?.step !== "Observe") memory.failure = undefined;
  }
  const retryAtMs = memory.failure?.retryAtMs;
  await writeReport(context, look, { situation, input, retryAtMs });
  const atMs = retryAtMs ?? lookAgainAtMs;
  return atMs === undefined ? undefined : { requeueAfterMs: Math.max(0, atMs - clock.now()) };
}
