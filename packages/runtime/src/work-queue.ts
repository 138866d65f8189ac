// Which object to look at next. Each key is in one place at a time:
//
//              add                    take                 done
//   (nowhere) ─────► ready (in turn) ─────► running ──────────────► (nowhere)
//       │ addAfter     ▲                      │  added meanwhile: ready again
//       └────► waiting ┘ when due, or added   └─ failed: waiting, longer each time
//
// A key is never running twice; whatever is added while it runs makes it run once more. After a failure even an event
// waits for the shortest back-off: a reconcile whose own failing wakes it must not spin.

import { backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { DueHeap } from "./due-heap.ts";

export type Next =
  /** It went well; nothing to do until something changes. */
  | { readonly kind: "done" }
  /** It went well; look again after a while. */
  | { readonly kind: "after"; readonly ms: number }
  /** Somebody else wrote in between: look again soon, this is no failure. */
  | { readonly kind: "soon" }
  | { readonly kind: "failed" };

const backoff = { baseMs: 500, maxMs: 300_000 };
const soonMs = 50;

export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onReady: () => void;
  /** In order of arrival. */
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  /** Added while running. */
  readonly #again = new Set<string>();
  readonly #waiting = new Map<string, number>();
  /** May hold entries that `#waiting` no longer has: they are skipped. */
  readonly #due = new DueHeap();
  readonly #failures = new Map<string, number>();
  /** Not before this time, whatever is added. */
  readonly #holdUntil = new Map<string, number>();
  #timer: { readonly atMs: number; readonly controller: AbortController } | undefined;
  #closed = false;

  constructor(options: { readonly clock: Clock; readonly random: () => number; readonly onReady: () => void }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onReady = options.onReady;
  }

  /** Ready and running keys; waiting ones do not count. */
  get depth(): number {
    return this.#ready.size + this.#running.size;
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  add(key: string): void {
    if (this.#closed) return;
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    const holdUntil = this.#holdUntil.get(key) ?? 0;
    if (holdUntil > this.#clock.now()) this.#wait(key, holdUntil);
    else this.#makeReady(key);
  }

  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) this.add(key);
    else if (!this.#ready.has(key) && !this.#running.has(key)) this.#wait(key, this.#clock.now() + ms);
  }

  /** The key that has been ready longest; it is running until `done`. */
  take(): string | undefined {
    const [key] = this.#ready;
    if (key === undefined) return undefined;
    this.#ready.delete(key);
    this.#running.add(key);
    return key;
  }

  done(key: string, next: Next): void {
    if (!this.#running.delete(key)) throw new RangeError(`Cannot end "${key}": it is not running`);
    const again = this.#again.delete(key);
    switch (next.kind) {
      case "done":
      case "after":
        this.#failures.delete(key);
        this.#holdUntil.delete(key);
        if (next.kind === "after" && !again) this.addAfter(key, next.ms);
        break;
      case "soon":
        if (!again) this.addAfter(key, soonMs);
        break;
      case "failed": {
        const failures = this.failures(key) + 1;
        this.#failures.set(key, failures);
        this.#holdUntil.set(key, this.#clock.now() + backoffMs(1, { ...backoff, random: this.#random }));
        if (!again) this.addAfter(key, backoffMs(failures, { ...backoff, random: this.#random }));
        break;
      }
    }
    if (again) this.add(key);
  }

  /** Nothing becomes ready any more. */
  close(): void {
    this.#closed = true;
    this.#ready.clear();
    this.#waiting.clear();
    this.#again.clear();
    this.#timer?.controller.abort();
  }

  #makeReady(key: string): void {
    this.#waiting.delete(key);
    if (this.#ready.has(key)) return;
    this.#ready.add(key);
    this.#onReady();
  }

  #wait(key: string, atMs: number): void {
    if ((this.#waiting.get(key) ?? Number.POSITIVE_INFINITY) <= atMs) return;
    this.#waiting.set(key, atMs);
    this.#due.push({ key, atMs });
    this.#setTimer();
  }

  /** One timer, for the earliest key: an idle queue wakes nobody. */
  #setTimer(): void {
    const first = this.#firstDue();
    if (first === undefined || (this.#timer?.atMs ?? Number.POSITIVE_INFINITY) <= first.atMs) return;
    this.#timer?.controller.abort();
    const timer = { atMs: first.atMs, controller: new AbortController() };
    this.#timer = timer;
    this.#clock.delay(Math.max(0, first.atMs - this.#clock.now()), { signal: timer.controller.signal }).then(
      () => this.#onTimer(timer),
      () => {}, // Replaced by an earlier timer, or closed.
    );
  }

  #onTimer(timer: object): void {
    if (this.#timer !== timer || this.#closed) return;
    this.#timer = undefined;
    const now = this.#clock.now();
    for (let first = this.#firstDue(); first !== undefined && first.atMs <= now; first = this.#firstDue()) {
      this.#due.pop();
      this.#makeReady(first.key);
    }
    this.#setTimer();
  }

  #firstDue(): { readonly key: string; readonly atMs: number } | undefined {
    for (let first = this.#due.peek(); first !== undefined; first = this.#due.peek()) {
      if (this.#waiting.get(first.key) === first.atMs) return first;
      this.#due.pop();
    }
    return undefined;
  }
}
