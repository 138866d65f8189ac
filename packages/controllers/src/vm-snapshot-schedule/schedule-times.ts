// The moments of a schedule: cron's fields in a time zone, or every so often from a beginning.

import { InvalidValueError, parseDuration } from "@vivarium/api";
import { Cron } from "croner";

export interface ScheduleTimes {
  /** The first moment after this one; undefined when there is none, as of 30 February. */
  next(afterMs: number): number | undefined;
  /** The last moment up to this one. */
  last(untilMs: number): number | undefined;
}

const leastEveryMs = 60_000;

/** `anchorMs`: from when `@every` counts. Throws InvalidValueError. */
export function scheduleTimes(
  schedule: string,
  { timeZone, anchorMs }: { readonly timeZone: string; readonly anchorMs: number },
): ScheduleTimes {
  const every = /^@every\s+(\S+)$/.exec(schedule.trim())?.[1];
  return every === undefined ? cronTimes(schedule, timeZone) : everyTimes(every, anchorMs);
}

function everyTimes(duration: string, anchorMs: number): ScheduleTimes {
  const everyMs = parseDuration(duration);
  if (everyMs < leastEveryMs) {
    throw new InvalidValueError(`Cannot use schedule "@every ${duration}": expected at least a minute`);
  }
  const countUntil = (ms: number): number => Math.floor((ms - anchorMs) / everyMs);
  return {
    next: (afterMs) => anchorMs + Math.max(1, countUntil(afterMs) + 1) * everyMs,
    last: (untilMs) => (countUntil(untilMs) < 1 ? undefined : anchorMs + countUntil(untilMs) * everyMs),
  };
}

function cronTimes(schedule: string, timeZone: string): ScheduleTimes {
  requireTimeZone(timeZone);
  const cron = readCron(schedule, timeZone);
  return {
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
    // A run at the moment itself is not before it.
    last: (untilMs) => cron.previousRuns(1, new Date(untilMs + 1))[0]?.getTime(),
  };
}

function requireTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone }).format();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InvalidValueError(`There is no time zone "${timeZone}": expected a name such as Europe/Berlin`);
  }
}

function readCron(schedule: string, timezone: string): Cron {
  const isNickname = schedule.startsWith("@");
  try {
    return new Cron(schedule, isNickname ? { timezone } : { timezone, mode: "5-part" });
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
    throw new InvalidValueError(`Cannot read schedule "${schedule}": ${error.message}`);
  }
}
