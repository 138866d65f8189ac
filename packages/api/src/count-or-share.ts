// Counts that may be written as a share of a whole: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable

import { InvalidValueError } from "./invalid-value-error.ts";

/** `3`, or `"25%"` of `whole`, rounded as asked. Throws InvalidValueError for anything else, and for more than 100 %. */
export function parseCountOrShare(
  value: string | number,
  { of: whole, round }: { readonly of: number; readonly round: "up" | "down" },
): number {
  const [, digits, percent] = /^(\d+)(%?)$/.exec(String(value)) ?? [];
  if (digits === undefined) {
    throw new InvalidValueError(`Cannot read "${value}": expected a count such as 2, or a share such as 25%`);
  }
  if (percent === "") return Number(digits);
  if (Number(digits) > 100) throw new InvalidValueError(`Cannot read "${value}": a share is at most 100%`);
  const exact = (Number(digits) * whole) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}
