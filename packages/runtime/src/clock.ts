// Time, injected, so that tests of waiting need no waiting.

import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects when the signal aborts. */
  delay(ms: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Calls `act` after `ms`, unless the returned function is called before: for what is nearly always in time, and must cost little then. */
  after(ms: number, act: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  delay: (ms, { signal } = {}) => delay(ms, undefined, signal === undefined ? {} : { signal }),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};
