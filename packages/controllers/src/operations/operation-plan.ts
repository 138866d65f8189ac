// When work is recorded, when it is over, and when it takes too long. Pure.

import type { Operation } from "@vivarium/api";
import type { WorkView } from "./work-views.ts";

/** Work that is going on. */
export interface Track {
  readonly verb: string;
  readonly startMs: number;
  readonly isRecorded: boolean;
  /** One of so many at once that it is not recorded, unless it fails or is late. */
  readonly isLeftOut?: boolean;
  readonly isOverdue: boolean;
}

export type OperationStep =
  | { readonly kind: "rest"; readonly wakeAtMs?: number }
  | { readonly kind: "begin"; readonly track: Track }
  | { readonly kind: "record" }
  | { readonly kind: "overdue" }
  | { readonly kind: "end"; readonly phase: Exclude<Operation["phase"], "Running">; readonly isRecordedThen: boolean };

/** Shorter work is not recorded. */
export const recordedAfterMs = 1_000;
/** As long as there is no experience. */
const patienceMs = 1_800_000;
const fewest = 3;
const newest = 20;

export function decideOperation(input: {
  readonly track: Track | undefined;
  /** Undefined where the object is gone, or tells of no work. */
  readonly view: WorkView | undefined;
  readonly isGone: boolean;
  readonly nowMs: number;
  readonly usualMs: number | undefined;
}): OperationStep {
  const { track, view, isGone, nowMs, usualMs } = input;
  if (track === undefined) {
    if (view?.state !== "running" || !view.isBeginning) return { kind: "rest" };
    const startMs = view.startTime === undefined ? nowMs : Date.parse(view.startTime);
    return { kind: "begin", track: { verb: view.verb, startMs, isRecorded: false, isOverdue: false } };
  }
  const isRecordedThen = track.isRecorded || nowMs - track.startMs >= recordedAfterMs;
  if (isGone) {
    return { kind: "end", phase: track.verb === "Delete" ? "Succeeded" : "Superseded", isRecordedThen };
  }
  if (view === undefined || !isSame(track.verb, view)) return { kind: "end", phase: "Superseded", isRecordedThen };
  if (view.state !== "running") {
    return { kind: "end", phase: view.state === "done" ? "Succeeded" : "Failed", isRecordedThen };
  }
  if (!track.isRecorded && track.isLeftOut !== true) {
    const atMs = track.startMs + recordedAfterMs;
    return nowMs >= atMs ? { kind: "record" } : { kind: "rest", wakeAtMs: atMs };
  }
  if (track.isOverdue) return { kind: "rest" };
  const atMs = track.startMs + limitMs(usualMs);
  return nowMs >= atMs ? { kind: "overdue" } : { kind: "rest", wakeAtMs: atMs };
}

/** A machine that is created has run once it is up, and then tells of a start. */
function isSame(verb: string, view: WorkView): boolean {
  return verb === view.verb || (verb === "Create" && view.verb === "Start");
}

function limitMs(usualMs: number | undefined): number {
  return usualMs === undefined ? patienceMs : Math.max(3 * usualMs, usualMs + 60_000);
}

/** The median of the last that succeeded; undefined without experience. */
export function usualMs(durationsMs: readonly number[]): number | undefined {
  if (durationsMs.length < fewest) return undefined;
  const sorted = durationsMs.slice(-newest).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
