// Durations as Go writes them: https://pkg.go.dev/time#ParseDuration. Days and weeks are read as well, since people write `7d`.

import { InvalidValueError } from "./invalid-value-error.ts";

const millisecondsOf: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const whole = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|w))+$/;
const part = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|w)/g;

/** Milliseconds. Throws InvalidValueError for what is no duration, and for negative ones. */
export function parseDuration(duration: string): number {
  if (duration === "0") return 0;
  if (!whole.test(duration)) {
    throw new InvalidValueError(
      `Cannot read duration "${duration}": expected numbers with units, such as 30s or 1h30m`,
    );
  }
  let total = 0;
  for (const [, amount = "", unit = ""] of duration.matchAll(part))
    total += Number(amount) * (millisecondsOf[unit] ?? 0);
  return total;
}

const units = [
  ["h", 3600],
  ["m", 60],
] as const;

/** Whole seconds as Go prints them: `1h5m0s`, `42s`. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.max(0, Math.round(milliseconds / 1000));
  let text = "";
  for (const [unit, seconds] of units) {
    const amount = Math.floor(rest / seconds);
    if (amount > 0 || text !== "") text += `${amount}${unit}`;
    rest %= seconds;
  }
  return `${text}${rest}s`;
}
