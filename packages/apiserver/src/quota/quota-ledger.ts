// What is set aside: for each write that a quota let pass and that has not ended yet, what it may add. A recount adds these to what it
// finds, so that nothing is counted as free between the decision and the write.

import type { Amounts } from "./usage.ts";

export interface Reservation {
  /** Of the object that is written. */
  readonly key: string;
  /** What the object takes once it is written, under canonical names. */
  readonly usage: Amounts;
}

/** After a failure of the store nobody knows whether the object was written; after this long it is in the store, or will never be. */
const unknownMs = 60_000;

export class QuotaLedger {
  readonly #pending = new Map<string, Set<Reservation>>();
  readonly #changed = new Set<(namespace: string) => void>();

  pending(namespace: string): readonly Reservation[] {
    return [...(this.#pending.get(namespace) ?? [])];
  }

  reserve(namespace: string, reservation: Reservation): void {
    const pending = this.#pending.get(namespace) ?? new Set();
    pending.add(reservation);
    this.#pending.set(namespace, pending);
  }

  release(namespace: string, reservation: Reservation): void {
    const pending = this.#pending.get(namespace);
    pending?.delete(reservation);
    if (pending?.size === 0) this.#pending.delete(namespace);
  }

  releaseLater(namespace: string, reservation: Reservation): void {
    setTimeout(() => {
      this.release(namespace, reservation);
      this.needsRecount(namespace);
    }, unknownMs).unref();
  }

  /** More may be free than the quotas of the namespace say. */
  needsRecount(namespace: string): void {
    for (const listener of this.#changed) listener(namespace);
  }

  onNeedsRecount(listener: (namespace: string) => void, signal: AbortSignal): void {
    this.#changed.add(listener);
    signal.addEventListener("abort", () => this.#changed.delete(listener), { once: true });
  }
}
