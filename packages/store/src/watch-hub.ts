// Joins writers and watchers. A watcher is only a position in the history, not a queue: it reads from the tail of recent changes that
// all watchers share, and from the store's history when it has fallen further behind. So a slow reader costs no memory and
// loses nothing; at worst compaction overtakes it, and it is told so. Revisions may have holes: a shared store counts others' changes too.

import { CompactedError, StoreError } from "./store-error.ts";
import type { StoreEvent, Watch } from "./store.ts";

/** Old changes of one prefix, and up to which revision these are all; it may lie after the last of them. */
export interface HistoryBatch {
  readonly events: readonly StoreEvent[];
  readonly through: number;
}

/**
 * Gives old changes of a prefix from `from` on, oldest first, at least up to `to`; the hub stops reading when it has enough. The
 * signal ends it. The hub checks for the compaction that it knows of.
 */
export type ReadHistory = (
  prefix: string,
  range: { readonly from: number; readonly to: number; readonly signal: AbortSignal },
) => Iterable<HistoryBatch> | AsyncIterable<HistoryBatch>;

const maxTailEvents = 4096;
const maxTailBytes = 16 * 1024 * 1024;
const maxBatch = 256;
/** A batch ends with the event that takes it over this: a slow reader holds no more. */
export const maxBatchBytes = 1024 * 1024;

/** One watch; it is in the set of those that wait while it has nothing to give. */
interface Watcher {
  readonly prefix: string;
  /** The revision that it wants to see next. */
  next: number;
  wake(): void;
}

export class WatchHub {
  readonly #readHistory: ReadHistory;
  /** The newest changes, oldest first: all from `#tailStart` on. */
  #tail: StoreEvent[] = [];
  #tailStart: number;
  #tailBytes = 0;
  #revision: number;
  #compacted: number;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<Watcher>();

  constructor(options: { revision: number; compacted: number; readHistory: ReadHistory }) {
    this.#revision = options.revision;
    this.#tailStart = options.revision + 1;
    this.#compacted = options.compacted;
    this.#readHistory = options.readHistory;
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  /** Makes changes visible to watchers; they must be durable and follow the newest revision. */
  publish(events: readonly StoreEvent[]): void {
    for (const event of events) {
      this.#tail.push(event);
      this.#tailBytes += sizeOf(event);
      this.#revision = event.revision;
    }
    this.#trimTail();
    // Most watchers share a few prefixes: each is looked for once.
    const concerned = new Map<string, boolean>();
    for (const watcher of this.#waiting) {
      const { prefix } = watcher;
      const isConcerned = concerned.get(prefix) ?? events.some((event) => event.key.startsWith(prefix));
      concerned.set(prefix, isConcerned);
      if (isConcerned) this.#wake(watcher);
      else this.#passOver(watcher);
    }
  }

  /** There was no change of ours up to this revision. */
  advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    for (const watcher of this.#waiting) this.#passOver(watcher);
  }

  compactedTo(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
  }

  /** Changes up to this revision were lost on the way here: who still wanted one of them is told that it is compacted. */
  restartAfter(revision: number): void {
    this.#tail = [];
    this.#tailBytes = 0;
    this.#tailStart = revision + 1;
    this.#revision = revision;
    this.compactedTo(revision);
    this.#wakeAll();
  }

  close(): void {
    this.#closing.abort();
    this.#wakeAll();
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    const watcher: Watcher = { prefix, next: options.fromRevision, wake: () => undefined };
    return new HubWatch(watcher, this.#batches(watcher, options.signal));
  }

  async *#batches(watcher: Watcher, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
    // Once for the whole watch: a listener for each wait would cost as much as the event that it waits for.
    const wakeUp = (): void => this.#wake(watcher);
    signal.addEventListener("abort", wakeUp, { once: true });
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        this.#assertKept(watcher.next);
        if (watcher.next < this.#tailStart) {
          yield* this.#older(watcher, signal);
          continue;
        }
        const batch = this.#readTail(watcher.prefix, watcher.next);
        watcher.next = Math.max(watcher.next, batch.through + 1);
        if (batch.events.length > 0) yield batch.events;
        else if (watcher.next > this.#revision) await this.#changed(watcher);
      }
    } finally {
      signal.removeEventListener("abort", wakeUp);
    }
  }

  /** From the history, until the tail has the rest. */
  async *#older(watcher: Watcher, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
    const range = {
      from: watcher.next,
      to: this.#tailStart - 1,
      signal: AbortSignal.any([signal, this.#closing.signal]),
    };
    for await (const batch of this.#readHistory(watcher.prefix, range)) {
      watcher.next = Math.max(watcher.next, batch.through + 1);
      if (batch.events.length > 0) yield batch.events;
      if (range.signal.aborted || watcher.next >= this.#tailStart) return;
      this.#assertKept(watcher.next);
    }
  }

  #readTail(prefix: string, from: number): HistoryBatch {
    const events: StoreEvent[] = [];
    let bytes = 0;
    let through = from - 1;
    for (let index = this.#indexOf(from); index < this.#tail.length; index++) {
      const event = this.#tail[index];
      if (event === undefined) break;
      // Changes of one revision belong together.
      const isFull = events.length >= maxBatch || bytes >= maxBatchBytes;
      if (isFull && event.revision > through) return { events, through };
      through = event.revision;
      if (!event.key.startsWith(prefix)) continue;
      events.push(event);
      bytes += sizeOf(event);
    }
    return { events, through: this.#revision };
  }

  /** Where in the tail the first change at or after this revision is. */
  #indexOf(revision: number): number {
    let low = 0;
    let high = this.#tail.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#tail[middle]?.revision ?? Infinity) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #assertKept(from: number): void {
    if (from <= this.#compacted) throw new CompactedError(from, this.#compacted);
  }

  /** Nothing new for this one: moving it on keeps compaction from overtaking a watcher of a quiet prefix. */
  #passOver(watcher: Watcher): void {
    watcher.next = Math.max(watcher.next, this.#revision + 1);
  }

  #wake(watcher: Watcher): void {
    if (this.#waiting.delete(watcher)) watcher.wake();
  }

  #wakeAll(): void {
    for (const watcher of this.#waiting) this.#wake(watcher);
  }

  #changed(watcher: Watcher): Promise<void> {
    return new Promise((resolve) => {
      watcher.wake = resolve;
      this.#waiting.add(watcher);
    });
  }

  #trimTail(): void {
    // In big steps, so that the cost of moving the array is spread over many writes.
    if (this.#tail.length < 1.25 * maxTailEvents && this.#tailBytes < 1.25 * maxTailBytes) return;
    let drop = 0;
    while (this.#tail.length - drop > maxTailEvents || this.#tailBytes > maxTailBytes) {
      const event = this.#tail[drop];
      if (event === undefined) break;
      this.#tailBytes -= sizeOf(event);
      drop++;
    }
    const last = this.#tail[drop - 1];
    if (last !== undefined) this.#tailStart = last.revision + 1;
    this.#tail = this.#tail.slice(drop);
  }
}

/** There may be thousands that wait: no closures for each. */
class HubWatch implements Watch {
  readonly #watcher: Watcher;
  readonly #batches: AsyncIterator<readonly StoreEvent[]>;

  constructor(watcher: Watcher, batches: AsyncIterator<readonly StoreEvent[]>) {
    this.#watcher = watcher;
    this.#batches = batches;
  }

  get revision(): number {
    return this.#watcher.next - 1;
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly StoreEvent[]> {
    return this.#batches;
  }
}

/** Bytes of the values that an event holds. */
export function sizeOf(event: StoreEvent): number {
  return (event.type === "put" ? event.current.value.length : 0) + (event.previous?.value.length ?? 0);
}

/** What every call on a closed store fails with. */
export function closedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is closed");
}
