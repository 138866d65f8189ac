// How long to wait before the next try: doubling up to a limit, with jitter so that many clients do not come back at once.

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** From 0 up to 1; Math.random when absent. */
  readonly random?: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Milliseconds: between half and the whole of the step. */
  next(): number {
    const { initialMs, maxMs, random = Math.random } = this.#options;
    const step = Math.min(maxMs, initialMs * 2 ** this.#failures);
    // More doublings than this change nothing and would overflow in the end.
    this.#failures = Math.min(this.#failures + 1, 32);
    return step * (0.5 + random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
