// A clock for tests: time stands still until the test moves it.

import type { Clock } from "./clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Who waits for time to pass. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  delay(ms: number, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      function onAbort(): void {
        cancel();
        reject(signal?.reason as Error);
      }
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  after(ms: number, act: () => void): () => void {
    const sleeper = { atMs: this.#nowMs + ms, wake: act };
    this.#sleepers.push(sleeper);
    return () => {
      this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
    };
  }

  /**
   * Moves time on, waking sleepers in their order, and lets what they started run on until it waits for something else. Of calls that overlap
   * the furthest counts: time never goes back.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.filter((each) => each.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#sleepers = this.#sleepers.filter((each) => each !== next);
      next.wake();
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    await settle();
  }
}

/** A few turns of the event loop: enough for promise chains in one process, which have no I/O to wait for. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
