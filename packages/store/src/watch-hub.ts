// Joins writers and watchers. A watcher is only a position in the history, not a queue: it reads from the tail of recent changes that
// all watchers share, and from the store's history when it has fallen further behind. So a slow reader costs no memory and
// loses nothing; at worst compaction overtakes it, and it is told so.

import { CompactedError, StoreError } from "./store-error.ts";
import type { StoreEvent, Watch } from "./store.ts";

/** Reads old changes of a prefix, oldest first, at most `limit`. The caller checks for compaction. */
export type ReadHistory = (
  prefix: string,
  range: { readonly from: number; readonly to: number; readonly limit: number },
) => readonly StoreEvent[];

const maxTailEvents = 4096;
const maxTailBytes = 16 * 1024 * 1024;
const maxBatch = 256;

/** The revision that a watcher wants to see next. */
interface Position {
  next: number;
}

interface Waiter {
  readonly prefix: string;
  readonly position: Position;
  wake(): void;
}

export class WatchHub {
  readonly #readHistory: ReadHistory;
  /** The newest changes, oldest first, without holes. */
  #tail: StoreEvent[] = [];
  #tailBytes = 0;
  #revision: number;
  #compacted: number;
  #closed = false;
  readonly #waiters = new Set<Waiter>();

  constructor(options: { revision: number; compacted: number; readHistory: ReadHistory }) {
    this.#revision = options.revision;
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
    for (const waiter of this.#waiters) {
      if (events.some((event) => event.key.startsWith(waiter.prefix))) {
        this.#waiters.delete(waiter);
        waiter.wake();
      } else {
        // Nothing here for this one: moving it on keeps compaction from overtaking a watcher of a quiet prefix.
        waiter.position.next = this.#revision + 1;
      }
    }
  }

  compactedTo(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.wake();
    this.#waiters.clear();
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    const { signal } = options;
    const position: Position = { next: options.fromRevision };
    const iterator = this.#batches(prefix, position, signal);
    return {
      get revision() {
        return position.next - 1;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
  }

  async *#batches(prefix: string, position: Position, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
    while (!signal.aborted && !this.#closed) {
      const batch = this.#read(prefix, position.next);
      position.next = batch.through + 1;
      if (batch.events.length > 0) yield batch.events;
      else if (position.next > this.#revision) await this.#changed(prefix, position, signal);
    }
  }

  #read(prefix: string, from: number): { events: readonly StoreEvent[]; through: number } {
    if (from <= this.#compacted) throw new CompactedError(from, this.#compacted);
    if (from > this.#revision) return { events: [], through: from - 1 };
    const tailStart = this.#tail[0]?.revision ?? this.#revision + 1;
    if (from < tailStart) {
      const to = tailStart - 1;
      const events = this.#readHistory(prefix, { from, to, limit: maxBatch });
      const isCut = events.length === maxBatch;
      return { events, through: isCut ? (events.at(-1)?.revision ?? to) : to };
    }
    const events: StoreEvent[] = [];
    let index = from - tailStart;
    for (; index < this.#tail.length && events.length < maxBatch; index++) {
      const event = this.#tail[index];
      if (event?.key.startsWith(prefix) === true) events.push(event);
    }
    return { events, through: tailStart + index - 1 };
  }

  #changed(prefix: string, position: Position, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiter: Waiter = { prefix, position, wake };
      const wakeOnAbort = (): void => {
        this.#waiters.delete(waiter);
        wake();
      };
      function wake(): void {
        signal.removeEventListener("abort", wakeOnAbort);
        resolve();
      }
      signal.addEventListener("abort", wakeOnAbort, { once: true });
      this.#waiters.add(waiter);
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
    this.#tail = this.#tail.slice(drop);
  }
}

function sizeOf(event: StoreEvent): number {
  return (event.type === "put" ? event.current.value.length : 0) + (event.previous?.value.length ?? 0);
}

/** What every call on a closed store fails with. */
export function closedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is closed");
}
