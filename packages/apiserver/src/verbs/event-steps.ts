// Batches of a watch, and in between "late" each time a while has passed: what a watch with bookmarks waits for. One timer for the whole
// watch, and nothing is made per event.

/** `late`: nothing came for a while. */
export type Step<T> = "late" | IteratorResult<T, undefined>;

export class EventSteps<T> {
  readonly #source: AsyncIterator<T, undefined>;
  readonly #timer: NodeJS.Timeout | undefined;
  #isReading = false;
  #ready: (() => void) | undefined;
  #deliver: ((step: Step<T>) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  /** Without `everyMs` nothing is ever late. */
  constructor(source: AsyncIterator<T, undefined>, options: { readonly everyMs: number | undefined }) {
    this.#source = source;
    if (options.everyMs !== undefined)
      this.#timer = setInterval(() => this.#deliver?.("late"), options.everyMs).unref();
  }

  /** One at a time. */
  next(): Promise<Step<T>> {
    return new Promise((resolve, reject) => {
      this.#deliver = (step) => {
        this.#deliver = undefined;
        resolve(step);
      };
      this.#fail = reject;
      const ready = this.#ready;
      this.#ready = undefined;
      if (ready !== undefined) ready();
      else if (!this.#isReading) this.#read();
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #read(): void {
    this.#isReading = true;
    const settle = (give: () => void): void => {
      this.#isReading = false;
      // While its reader is busy with "late", a batch waits here.
      if (this.#deliver === undefined) this.#ready = give;
      else give();
    };
    this.#source.next().then(
      (result) => settle(() => this.#deliver?.(result)),
      (error: unknown) => settle(() => this.#fail?.(error)),
    );
  }
}
