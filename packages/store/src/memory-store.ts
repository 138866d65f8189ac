// The store for tests: the same promises as the others, nothing kept. Its plainness also makes it the model that property tests
// compare with.

import { endOfPrefix } from "./prefix.ts";
import { Retention, type RetentionOptions } from "./retention.ts";
import { CompactedError, StoreError } from "./store-error.ts";
import type {
  DeleteResult,
  KeyValue,
  ListOptions,
  ListPage,
  PutResult,
  Store,
  StoreEvent,
  Watch,
  WriteCondition,
} from "./store.ts";
import { WatchHub, closedError } from "./watch-hub.ts";

export function openMemoryStore(options: { readonly retention?: RetentionOptions } = {}): Store {
  return new MemoryStore(new Retention(options.retention));
}

class MemoryStore implements Store {
  readonly #retention: Retention;
  readonly #current = new Map<string, KeyValue>();
  /** Every change after `#compacted`, oldest first, without holes. */
  #history: StoreEvent[] = [];
  #isClosed = false;
  readonly #hub = new WatchHub({
    revision: 0,
    compacted: 0,
    readHistory: (prefix, { from, to }) => [
      {
        events: this.#history
          .slice(Math.max(0, from - 1 - this.#hub.compacted), to - this.#hub.compacted)
          .filter((event) => event.key.startsWith(prefix)),
        through: to,
      },
    ],
  });

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  async revision(): Promise<number> {
    this.#assertOpen();
    return this.#hub.revision;
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#assertOpen();
    return this.#current.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    this.#assertOpen();
    const revision = options.revision ?? this.#hub.revision;
    if (revision < this.#hub.compacted) throw new CompactedError(revision, this.#hub.compacted);
    if (revision > this.#hub.revision) throw futureRevision(revision, this.#hub.revision);
    const end = endOfPrefix(prefix);
    const { startAfter, limit = Infinity } = options;
    const found = [...this.#at(revision).values()]
      .filter((kv) => kv.key >= prefix && (end === undefined || kv.key < end))
      .filter((kv) => startAfter === undefined || kv.key > startAfter)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const items = found.slice(0, limit);
    const remaining = found.length - items.length;
    return { items, revision, more: remaining > 0, remaining };
  }

  async put(key: string, value: Uint8Array, condition: WriteCondition = {}): Promise<PutResult> {
    this.#assertOpen();
    const previous = this.#current.get(key);
    if (!isMet(condition, previous)) return { written: false, ...(previous && { current: previous }) };
    const revision = this.#hub.revision + 1;
    const current: KeyValue = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
    };
    this.#current.set(key, current);
    this.#publish({ type: "put", revision, key, current, ...(previous && { previous }) });
    return { written: true, current, ...(previous && { previous }) };
  }

  async delete(key: string, condition: WriteCondition = {}): Promise<DeleteResult> {
    this.#assertOpen();
    const previous = this.#current.get(key);
    if (previous === undefined) return { deleted: false };
    if (!isMet(condition, previous)) return { deleted: false, current: previous };
    const revision = this.#hub.revision + 1;
    this.#current.delete(key);
    this.#publish({ type: "delete", revision, key, previous });
    return { deleted: true, revision, previous };
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    this.#assertOpen();
    return this.#hub.watch(prefix, options);
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    if (revision > this.#hub.revision) throw futureRevision(revision, this.#hub.revision);
    if (revision <= this.#hub.compacted) return;
    this.#history = this.#history.slice(revision - this.#hub.compacted);
    this.#hub.compactedTo(revision);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#hub.close();
  }

  #publish(event: StoreEvent): void {
    this.#history.push(event);
    this.#hub.publish([event]);
    const target = this.#retention.target(event.revision);
    // In steps: cutting the array costs its length.
    if (target - this.#hub.compacted >= 1000) void this.compact(target);
  }

  /** All keys as they were at a revision, by undoing the changes made since. */
  #at(revision: number): ReadonlyMap<string, KeyValue> {
    if (revision === this.#hub.revision) return this.#current;
    const state = new Map(this.#current);
    for (const event of this.#history.slice(revision - this.#hub.compacted).toReversed()) {
      if (event.previous === undefined) state.delete(event.key);
      else state.set(event.key, event.previous);
    }
    return state;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError();
  }
}

function isMet(condition: WriteCondition, found: KeyValue | undefined): boolean {
  return condition.expected === undefined || condition.expected === (found?.modRevision ?? 0);
}

function futureRevision(revision: number, newest: number): StoreError {
  return new StoreError("future-revision", `Cannot read revision ${revision}: the newest is ${newest}`);
}
