// Asks a guest to shut down, and pulls the plug once its time is over. Pure.

import type { PlanInput } from "./input.ts";
import { settle } from "./step.ts";
import type { Step } from "./step.ts";

const askAgainMs = 10_000;

export function stopGracefully(input: PlanInput): Step {
  const { record, nowMs } = input;
  if (record.shutdownRequestedAtMs === undefined) return { kind: "RecordShutdownRequest" };
  const deadlineMs = record.shutdownRequestedAtMs + input.gracefulTimeoutMs;
  if (nowMs >= deadlineMs) return { kind: "ForceOff", why: "Deadline" };
  return askToShutDown(input, { shutdownRequestedAtMs: record.shutdownRequestedAtMs, isForced: true });
}

/** Within its time. */
export function askToShutDown(
  input: PlanInput,
  { shutdownRequestedAtMs, isForced }: { readonly shutdownRequestedAtMs: number; readonly isForced: boolean },
): Step {
  const { nowMs } = input;
  const deadlineMs = shutdownRequestedAtMs + input.gracefulTimeoutMs;
  // A guest that is still booting misses the power button, so it is pressed now and then.
  const nextAskMs = input.shutdownAskedAtMs === undefined ? nowMs : input.shutdownAskedAtMs + askAgainMs;
  if (nowMs >= nextAskMs) return { kind: "RequestShutdown" };
  return settle({ kind: "ShuttingDown", deadlineMs, isForced }, Math.min(deadlineMs, nextAskMs));
}
