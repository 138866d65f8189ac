// How often a count of many machines is told. It moves with each of them, and told each time it would be as many writes as there are machines,
// each of which wakes others. A lab of a few is told at once.

import type { Clock } from "@vivarium/runtime";

const machinesPerStep = 100;
const stepMs = 100;
const longestMs = 2_000;

export class Pace {
  readonly #clock: Clock;
  readonly #toldAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when it may be told now, which counts as told. */
  waitMs(key: string, count: number): number {
    const betweenMs = Math.min(longestMs, Math.floor(count / machinesPerStep) * stepMs);
    const waitMs = (this.#toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY) + betweenMs - this.#clock.now();
    if (waitMs > 0) return waitMs;
    this.#toldAtMs.set(key, this.#clock.now());
    return 0;
  }
}
