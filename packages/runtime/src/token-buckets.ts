// A rate limit per key: a burst at once, then one from time to time.

interface Bucket {
  tokens: number;
  filledMs: number;
}

const maxBuckets = 4_096;

export class TokenBuckets {
  readonly #size: number;
  readonly #refillEveryMs: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: { readonly size: number; readonly refillEveryMs: number }) {
    this.#size = options.size;
    this.#refillEveryMs = options.refillEveryMs;
  }

  /** False when there is none left. */
  take(key: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#size, filledMs: nowMs };
    const refill = Math.floor((nowMs - bucket.filledMs) / this.#refillEveryMs);
    if (refill > 0) {
      bucket.tokens = Math.min(this.#size, bucket.tokens + refill);
      bucket.filledMs += refill * this.#refillEveryMs;
    }
    // Moved to the end: the map is in order of last use, and the longest unused one makes room.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > maxBuckets && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.tokens === 0) return false;
    bucket.tokens -= 1;
    return true;
  }
}
