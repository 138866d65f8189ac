// Names of things to look at, each at most once at a time: a name that comes again while it is worked on is worked on again after that,
// and one that failed comes back later and later.

const firstRetryMs = 20;
const maxRetryMs = 60_000;

export class KeyQueue {
  readonly #waiting = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #wake: (() => void)[] = [];
  #isClosed = false;

  add(key: string): void {
    if (this.#isClosed) return;
    if (this.#busy.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.add(key);
    this.#wake.shift()?.();
  }

  /** Works on the names, so many at a time, until the signal aborts. A name whose work throws is tried again after a while. */
  async work(
    each: (key: string) => Promise<void>,
    options: {
      readonly concurrency: number;
      readonly signal: AbortSignal;
      onFailure(error: unknown, key: string): void;
    },
  ): Promise<void> {
    const { signal } = options;
    const close = (): void => this.#close();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    await Promise.all(Array.from({ length: options.concurrency }, () => this.#worker(each, options)));
    signal.removeEventListener("abort", close);
  }

  async #worker(
    each: (key: string) => Promise<void>,
    options: { onFailure(error: unknown, key: string): void },
  ): Promise<void> {
    for (;;) {
      const key = await this.#take();
      if (key === undefined) return;
      try {
        await each(key);
        this.#failures.delete(key);
      } catch (error) {
        options.onFailure(error, key);
        this.#retry(key);
      }
      this.#busy.delete(key);
      if (this.#again.delete(key)) this.add(key);
    }
  }

  async #take(): Promise<string | undefined> {
    while (!this.#isClosed) {
      const [key] = this.#waiting;
      if (key !== undefined) {
        this.#waiting.delete(key);
        this.#busy.add(key);
        return key;
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return undefined;
  }

  #retry(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.add(key);
      },
      Math.min(firstRetryMs * 2 ** failures, maxRetryMs),
    ).unref();
    this.#timers.add(timer);
  }

  #close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const wake of this.#wake) wake();
    this.#wake = [];
  }
}
