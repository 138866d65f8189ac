// How long to wait before trying again: longer each time, up to a bound, and never all at the same moment.

export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Doubles with each failure in a row; up to a fifth less at random. */
export function backoffMs(failures: number, options: Backoff & { readonly random: () => number }): number {
  const full = Math.min(options.baseMs * 2 ** Math.min(failures - 1, 30), options.maxMs);
  return Math.round(full * (1 - 0.2 * options.random()));
}
