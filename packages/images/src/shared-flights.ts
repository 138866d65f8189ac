// One piece of work per key, shared by all who ask for it while it runs.
//
// Each caller may give up by its own signal; the work itself is aborted when the last has. Work that was aborted is waited
// for before the same key starts anew, so that two never write the same files.

interface Flight<Result, Progress> {
  readonly result: Promise<Result>;
  readonly abort: AbortController;
  readonly listeners: Set<(progress: Progress) => void>;
  passengers: number;
  lastProgress: Progress | undefined;
}

export interface FlightOptions<Progress> {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export type FlightWork<Result, Progress> = (options: {
  readonly signal: AbortSignal;
  readonly report: (progress: Progress) => void;
}) => Promise<Result>;

export class SharedFlights<Result, Progress> {
  readonly #flights = new Map<string, Flight<Result, Progress>>();

  async join(key: string, work: FlightWork<Result, Progress>, options: FlightOptions<Progress>): Promise<Result> {
    const { signal, onProgress } = options;
    signal.throwIfAborted();
    let flight = this.#flights.get(key);
    while (flight?.abort.signal.aborted === true) {
      await orAborted(
        flight.result.catch(() => undefined),
        signal,
      );
      flight = this.#flights.get(key);
    }
    flight ??= this.#start(key, work);
    flight.passengers += 1;
    if (onProgress !== undefined) {
      flight.listeners.add(onProgress);
      if (flight.lastProgress !== undefined) onProgress(flight.lastProgress);
    }
    try {
      return await orAborted(flight.result, signal);
    } finally {
      if (onProgress !== undefined) flight.listeners.delete(onProgress);
      flight.passengers -= 1;
      if (flight.passengers === 0) flight.abort.abort(signal.reason);
    }
  }

  #start(key: string, work: FlightWork<Result, Progress>): Flight<Result, Progress> {
    const abort = new AbortController();
    const listeners = new Set<(progress: Progress) => void>();
    const report = (progress: Progress): void => {
      flight.lastProgress = progress;
      for (const listener of listeners) listener(progress);
    };
    const result = Promise.resolve()
      .then(() => work({ signal: abort.signal, report }))
      .finally(() => this.#flights.delete(key));
    result.catch(() => undefined); // all passengers may have left
    const flight: Flight<Result, Progress> = { result, abort, listeners, passengers: 0, lastProgress: undefined };
    this.#flights.set(key, flight);
    return flight;
  }
}

/** The promise's outcome, or the signal's reason if that comes first. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
