// What comes next for a VM that shall be paused or saved to disk, or that somebody asked to reset, to reboot, or to forget its saved
// memory. Pure. A request is carried out once for each new value; one that a crash cut short is carried out again.

import type { PlanInput, Seen } from "./input.ts";
import type { Step } from "./step.ts";
import type { VmRecord } from "../record.ts";

/** Requests by annotation, apart from the restart. */
export interface RunRequests {
  readonly reboot?: string;
  readonly reset?: string;
  readonly discardMemory?: string;
}

export type RunRequestKind = keyof RunRequests;

export type RunStateStep =
  /** Says, durably, that the pause is ours, before it is made: only such a one is ended by us. */
  | { readonly kind: "RecordPause" }
  | { readonly kind: "Pause" }
  | { readonly kind: "Resume" }
  | { readonly kind: "Suspend" }
  | { readonly kind: "DiscardMemory"; readonly request: string }
  | { readonly kind: "Reboot"; readonly request: string }
  | { readonly kind: "Reset"; readonly request: string }
  /** Says that a request is void: there was nothing to carry out. */
  | { readonly kind: "RecordVoidRequest"; readonly what: RunRequestKind; readonly request: string };

type Present = Extract<Seen, { kind: "present" }>;
type Situation = Extract<Step, { kind: "Settle" }>["situation"];
type Decision =
  | RunStateStep
  | { readonly kind: "wait"; readonly situation: Situation; readonly lookAgainAtMs?: number };

const saveLookMs = 2_000;

/** Whether the domain shall be there and powered, though its CPUs may be halted. */
export function isOnWanted(power: PlanInput["power"]): boolean {
  return power === "On" || power === "Paused";
}

/** Of a domain that is off: requests come before a start. */
export function decideRequestsWhileOff(input: PlanInput, seen: Present): RunStateStep | undefined {
  const { record, requests } = input;
  const discard = pendingOf(record, requests, "discardMemory");
  if (discard !== undefined) {
    return seen.hasSavedMemory === true
      ? { kind: "DiscardMemory", request: discard }
      : { kind: "RecordVoidRequest", what: "discardMemory", request: discard };
  }
  for (const what of ["reset", "reboot"] as const) {
    const request = pendingOf(record, requests, what);
    if (request !== undefined) return { kind: "RecordVoidRequest", what, request };
  }
  return undefined;
}

/** Before a start: what must be recorded so that the CPUs may be left halted. */
export function decidePausedStart({ power, record }: PlanInput): RunStateStep | undefined {
  return power === "Paused" && record.isPausedByUs !== true ? { kind: "RecordPause" } : undefined;
}

/** Of a domain that shall be saved to disk, and is on. */
export function decideSuspend(input: PlanInput, seen: Present): Decision {
  // A save that is under way, begun by an earlier look that did not live to see its end, halts the CPUs.
  if (seen.power === "paused" && seen.powerReason === "save") {
    return { kind: "wait", situation: { kind: "Suspending" }, lookAgainAtMs: input.nowMs + saveLookMs };
  }
  if (seen.power === "shutting-down") {
    return { kind: "wait", situation: { kind: "GuestStopping" }, lookAgainAtMs: input.nowMs + saveLookMs };
  }
  return { kind: "Suspend" };
}

/** Of a domain that shall be on, and is: undefined when nothing of this is to be done and it runs. */
export function decideRunState(input: PlanInput, seen: Present): Decision | undefined {
  const { record, requests, power } = input;
  const wantsPause = power === "Paused";
  const isRunning = seen.power === "running";
  const reset = pendingOf(record, requests, "reset");
  if (reset !== undefined && (isRunning || seen.power === "paused")) return { kind: "Reset", request: reset };
  switch (seen.power) {
    case "paused":
      if (wantsPause) return { kind: "wait", situation: { kind: "PausedAsDeclared" } };
      if (record.isPausedByUs === true) return { kind: "Resume" };
      return { kind: "wait", situation: { kind: "Paused", power: "paused", reason: seen.powerReason } };
    case "suspended":
      return { kind: "wait", situation: { kind: "Paused", power: "suspended", reason: seen.powerReason } };
    case "shutting-down":
      return { kind: "wait", situation: { kind: "GuestStopping" }, lookAgainAtMs: input.nowMs + saveLookMs };
    case "running":
    case "off":
    case "crashed":
      break;
  }
  if (wantsPause) return record.isPausedByUs === true ? { kind: "Pause" } : { kind: "RecordPause" };
  const reboot = pendingOf(record, requests, "reboot");
  if (reboot !== undefined) return { kind: "Reboot", request: reboot };
  const discard = pendingOf(record, requests, "discardMemory");
  if (discard !== undefined) return { kind: "RecordVoidRequest", what: "discardMemory", request: discard };
  return undefined;
}

/** The request that was not carried out yet. */
function pendingOf(record: VmRecord, requests: RunRequests, what: RunRequestKind): string | undefined {
  const request = requests[what];
  return request === undefined || request === record.requestsDone?.[what] ? undefined : request;
}

/** The record once a request is carried out, or void. */
export function recordRequest(record: VmRecord, what: RunRequestKind, request: string): VmRecord {
  return { ...record, requestsDone: { ...record.requestsDone, [what]: request } };
}
