// Where a restart stands. Each new value of the request asks for one: the guest is stopped, which is recorded as the stop of that restart,
// and the start that follows carries it out. Pure.

import type { VmRecord } from "../record.ts";
import type { PlanInput } from "./input.ts";
import { isOnWanted } from "./run-state-plan.ts";

interface RestartFacts {
  readonly record: VmRecord;
  readonly restartRequest?: string | undefined;
}

/** Asked for, and not carried out: the VM is to be stopped, or stopped and to be started. */
export function isRestartUndone({ record, restartRequest }: RestartFacts): boolean {
  return restartRequest !== undefined && restartRequest !== record.lastRestartRequest;
}

/** The VM is to be stopped for it. */
export function isRestartWanted(facts: RestartFacts): boolean {
  return isRestartUndone(facts) && facts.restartRequest !== facts.record.restartStoppedFor;
}

/** What is off has run, or is to be started for a restart, and the record does not say so yet. */
export function isStopUnrecorded(input: PlanInput): boolean {
  const { record, seen, power, restartRequest } = input;
  if (record.runningSinceMs !== undefined || record.shutdownRequestedAtMs !== undefined) return true;
  // A restart asked of a VM that is off: starting it is all there is to do, and the record must say so before the start.
  const isPending = isRestartUndone(input) && isOnWanted(power);
  // One whose memory is saved is restored first: only a running guest can be restarted.
  const isOff = seen.kind === "present" && seen.hasSavedMemory !== true;
  return isOff && isPending && record.restartStoppedFor !== restartRequest;
}
