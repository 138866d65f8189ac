// The VMSnapshotSchedule policy: from the moments, the clock and the snapshots that there are, which to take and which to remove. Pure.
//
// A moment is dealt with once: it was begun (`lastScheduleTime`) or given up as too late (`lastMissedTime`). Of several that
// nobody was there for only the last one counts.

import type { ScheduleTimes } from "./schedule-times.ts";

export interface ScheduledSnapshot {
  readonly name: string;
  /** The moment that it was made for. */
  readonly atMs: number;
  readonly state: "active" | "taken" | "failed" | "leaving";
  readonly isPinned: boolean;
}

export interface ScheduledMachine {
  readonly name: string;
  /** Made by this schedule. */
  readonly snapshots: readonly ScheduledSnapshot[];
}

export interface ScheduleInput {
  readonly nowMs: number;
  readonly times: ScheduleTimes;
  readonly isSuspended: boolean;
  readonly policy: "Allow" | "Forbid" | "Replace";
  /** How late a run may begin; undefined: however late. */
  readonly deadlineMs?: number;
  /** Up to here everything was dealt with. */
  readonly doneUntilMs: number;
  readonly machines: readonly ScheduledMachine[];
  /** How many are kept of each machine; undefined: all. */
  readonly keepTaken?: number;
  readonly keepFailed: number;
}

export interface ScheduleRun {
  readonly atMs: number;
  /** Machines of which a snapshot is taken. */
  readonly take: readonly string[];
  /** Machines that are left out, since one is still being taken. */
  readonly leftOut: readonly string[];
  /** Snapshots that are not finished any more. */
  readonly replaced: readonly string[];
}

export interface ScheduleDecision {
  readonly run?: ScheduleRun;
  /** The moment that is given up as too late. */
  readonly missedMs?: number;
  /** Snapshots above the limits, the oldest of each machine. */
  readonly prune: readonly string[];
  /** When time alone changes something. */
  readonly nextMs?: number;
}

export function decideSchedule(input: ScheduleInput): ScheduleDecision {
  const { nowMs, times, isSuspended, doneUntilMs, deadlineMs, machines } = input;
  const prune = machines.flatMap((machine) => superfluous(machine, input));
  if (isSuspended) return { prune };
  const nextMs = times.next(nowMs);
  const next = nextMs === undefined ? {} : { nextMs };
  const dueMs = times.last(nowMs);
  if (dueMs === undefined || dueMs <= doneUntilMs) return { prune, ...next };
  if (deadlineMs !== undefined && nowMs > dueMs + deadlineMs) return { missedMs: dueMs, prune, ...next };
  return { run: runAt(dueMs, input), prune, ...next };
}

function runAt(atMs: number, { machines, policy }: ScheduleInput): ScheduleRun {
  const isBusy = ({ snapshots }: ScheduledMachine): boolean =>
    snapshots.some((each) => each.state === "active" && each.atMs !== atMs);
  const busy = policy === "Allow" ? [] : machines.filter(isBusy);
  return {
    atMs,
    take: machines.filter((each) => policy === "Replace" || !busy.includes(each)).map(({ name }) => name),
    leftOut: policy === "Forbid" ? busy.map(({ name }) => name) : [],
    replaced:
      policy === "Replace"
        ? busy.flatMap(({ snapshots }) =>
            snapshots.filter((each) => each.state === "active" && each.atMs !== atMs).map(({ name }) => name),
          )
        : [],
  };
}

function superfluous({ snapshots }: ScheduledMachine, { keepTaken, keepFailed }: ScheduleInput): readonly string[] {
  const beyond = (state: ScheduledSnapshot["state"], count: number | undefined): readonly string[] =>
    count === undefined
      ? []
      : snapshots
          .filter((each) => each.state === state && !each.isPinned)
          .sort((a, b) => b.atMs - a.atMs)
          .slice(count)
          .map(({ name }) => name);
  return [...beyond("taken", keepTaken), ...beyond("failed", keepFailed)];
}
