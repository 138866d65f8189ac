// A few measurements of one thing, in the form in which they are published.

export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly max: number;
}

/** Rounded to one decimal. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN);
  return { n: sorted.length, min: at(0), p50: at(0.5), max: at(1) };
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
