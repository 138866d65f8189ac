// Watches a start until the guest has an address; one that is known to hang is cut short once. Pure.

import type { PlanInput } from "./input.ts";
import { settle } from "./step.ts";
import type { Step } from "./step.ts";

const bootDeadlineMs = 180_000;

export function watchBoot(input: PlanInput): Step {
  const { record, nowMs } = input;
  const ageMs = record.runningSinceMs === undefined ? 0 : nowMs - record.runningSinceMs;
  // Asked for by an earlier look that did not live to do it.
  if (record.bootRetry === "wanted") return { kind: "ForceOff", why: "BootRetry" };
  if (record.bootRetry === undefined && ageMs >= bootDeadlineMs && input.bootProbe !== "alive") {
    return input.bootProbe === "silent" ? { kind: "RecordBootRetry" } : { kind: "ProbeBoot" };
  }
  return settle({ kind: "WaitingForAddress" }, nowMs + addressPollMs(ageMs));
}

/** Quick while a guest is expected to come up, slower once it is late. */
export function addressPollMs(ageMs: number): number {
  if (ageMs < 60_000) return 500;
  return Math.min(5_000, 500 + (ageMs - 60_000) / 40);
}
