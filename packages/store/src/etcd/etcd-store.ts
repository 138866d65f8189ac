// The store on an existing etcd cluster, for several servers that share it. Reads are linearizable, every write is one transaction
// with its condition in it. One watch of all our keys feeds the hub, from which all watchers are served; only a watcher from before
// that watch began has one of its own, until the hub has the rest.

import { CompactedError, StoreError } from "../store-error.ts";
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
} from "../store.ts";
import { WatchHub, closedError, type HistoryBatch } from "../watch-hub.ts";
import { EtcdClient, isOutOfRange, type EtcdConnection } from "./etcd-client.ts";
import { readImport } from "./etcd-import.ts";
import { EtcdKeys } from "./etcd-keys.ts";
import { watchEtcd, type EtcdChanges } from "./etcd-watch.ts";
import type { Operation, RangeRequest, TxnResponse, WatchEvent } from "./messages.ts";
import { runCompaction } from "./run-compaction.ts";

export interface EtcdStoreOptions extends EtcdConnection {
  /** Before all our keys in the cluster. Default `/vivarium`. */
  readonly prefix?: string;
  /** How often the history of the cluster is compacted to where it was one interval ago; 0: that is left to others. Default 5 min. */
  readonly compactionIntervalMs?: number;
  /** Called when the connection to the cluster was lost and is tried again. */
  readonly onLost?: (error: unknown) => void;
}

const defaultCompactionIntervalMs = 5 * 60_000;

export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const client = new EtcdClient(options);
  try {
    // Fails at once when the cluster cannot be reached; the watch would wait for it.
    const keys = new EtcdKeys(options.prefix, await readImport(client, new EtcdKeys(options.prefix)));
    const { onLost, compactionIntervalMs = defaultCompactionIntervalMs } = options;
    return await EtcdStore.open(client, { keys, compactionIntervalMs, ...(onLost && { onLost }) });
  } catch (error) {
    client.close();
    throw error;
  }
}

interface OpenOptions {
  readonly keys: EtcdKeys;
  readonly compactionIntervalMs: number;
  readonly onLost?: (error: unknown) => void;
}

class EtcdStore implements Store {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #hub: WatchHub;
  readonly #onLost: (error: unknown) => void;
  readonly #closing: AbortController;
  readonly #background: Promise<void>[] = [];
  readonly #writes = new Set<Promise<unknown>>();

  static async open(client: EtcdClient, options: OpenOptions): Promise<EtcdStore> {
    const { keys, compactionIntervalMs, onLost = () => undefined } = options;
    const closing = new AbortController();
    const { signal } = closing;
    const changes = watchEtcd(client, { ...keys.all, signal, onLost });
    const first = await changes.next();
    const store = new EtcdStore(client, {
      keys,
      closing,
      onLost,
      revision: (first.done === true ? 0 : first.value.through) + keys.offset,
    });
    store.#background.push(store.#feed(changes));
    if (compactionIntervalMs > 0)
      store.#background.push(runCompaction(client, { key: keys.compaction, intervalMs: compactionIntervalMs, signal }));
    return store;
  }

  private constructor(
    client: EtcdClient,
    options: {
      readonly keys: EtcdKeys;
      readonly closing: AbortController;
      readonly onLost: (error: unknown) => void;
      readonly revision: number;
    },
  ) {
    this.#client = client;
    this.#keys = options.keys;
    this.#closing = options.closing;
    this.#onLost = options.onLost;
    this.#hub = new WatchHub({
      revision: options.revision,
      compacted: 0,
      readHistory: (prefix, { from, signal }) => this.#readHistory(prefix, { from, signal }),
    });
  }

  async revision(): Promise<number> {
    return (await this.#range({ key: this.#keys.root, countOnly: true })).revision + this.#keys.offset;
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const { items } = await this.#range({ key: this.#keys.toEtcd(key) });
    return items[0] && this.#keys.fromEtcd(items[0]);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListPage> {
    const { startAfter, limit, revision } = options;
    const range = this.#keys.range(prefix, startAfter);
    const answer = await this.#range({
      ...range,
      ...(limit !== undefined && { limit }),
      ...(revision !== undefined && { revision: this.#keys.toEtcdRevision(revision) }),
    });
    const items = answer.items.map((item) => this.#keys.fromEtcd(item));
    return {
      items,
      revision: revision ?? answer.revision + this.#keys.offset,
      more: answer.more,
      remaining: answer.count - items.length,
    };
  }

  async put(key: string, value: Uint8Array, condition: WriteCondition = {}): Promise<PutResult> {
    const { revision, succeeded, found } = await this.#write(key, condition, {
      put: { key: this.#keys.toEtcd(key), value },
    });
    const before = found && this.#keys.fromEtcd(found);
    if (!succeeded) return { written: false, ...(before && { current: before }) };
    const current: KeyValue = {
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
    };
    return { written: true, current, ...(before && { previous: before }) };
  }

  async delete(key: string, condition: WriteCondition = {}): Promise<DeleteResult> {
    const { revision, succeeded, found } = await this.#write(key, condition, { deleteKey: this.#keys.toEtcd(key) });
    if (found === undefined) return { deleted: false };
    const before = this.#keys.fromEtcd(found);
    return succeeded ? { deleted: true, revision, previous: before } : { deleted: false, current: before };
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    this.#assertOpen();
    return this.#hub.watch(prefix, options);
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    try {
      if (revision > this.#keys.offset) await this.#client.compact(revision - this.#keys.offset);
    } catch (error) {
      if (!isOutOfRange(error)) throw error;
      const newest = await this.revision();
      if (revision > newest) throw futureRevision(revision, newest);
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#hub.close();
    await Promise.allSettled(this.#writes);
    this.#client.close();
    await Promise.all(this.#background);
  }

  /** The one operation under its condition; `found` is what was there before. */
  async #write(
    key: string,
    { expected }: WriteCondition,
    operation: Operation,
  ): Promise<{ revision: number; succeeded: boolean; found: KeyValue | undefined }> {
    this.#assertOpen();
    const etcdKey = this.#keys.toEtcd(key);
    const sent = this.#client.txn({
      compare: expected === undefined ? [] : [{ key: etcdKey, modRevision: this.#keys.toEtcdExpected(expected) }],
      success: [operation],
      failure: [{ range: { key: etcdKey } }],
    });
    this.#writes.add(sent);
    let answer: TxnResponse;
    try {
      answer = await sent;
    } finally {
      this.#writes.delete(sent);
    }
    return { revision: answer.revision + this.#keys.offset, succeeded: answer.succeeded, found: answer.found[0]?.[0] };
  }

  async #range(request: RangeRequest): ReturnType<EtcdClient["range"]> {
    this.#assertOpen();
    try {
      return await this.#client.range(request);
    } catch (error) {
      const { revision } = request;
      if (revision === undefined || !isOutOfRange(error)) throw error;
      const { offset } = this.#keys;
      const newest = await this.revision();
      if (revision + offset > newest) throw futureRevision(revision + offset, newest);
      throw new CompactedError(revision + offset, (await this.#compactedSince(revision)) + offset);
    }
  }

  /** To which of its revisions the cluster is compacted, given one that is: only a watch is told. */
  async #compactedSince(revision: number): Promise<number> {
    const { signal } = this.#closing;
    try {
      for await (const _ of watchEtcd(this.#client, { ...this.#keys.all, from: revision, signal })) break;
    } catch (error) {
      if (error instanceof CompactedError) return error.compactedRevision;
      throw error;
    }
    return revision + 1;
  }

  /** The one watch behind all others. */
  async #feed(first: AsyncIterable<EtcdChanges>): Promise<void> {
    const { signal } = this.#closing;
    for (let changes = first; !signal.aborted;) {
      try {
        for await (const { events, through } of changes) {
          const ours = this.#toEvents(events, "");
          if (ours.length > 0) this.#hub.publish(ours);
          this.#hub.advance(through + this.#keys.offset);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CompactedError)) throw error;
        // Cut off for longer than history is kept.
        this.#onLost(error);
      }
      changes = watchEtcd(this.#client, { ...this.#keys.all, signal, onLost: this.#onLost });
      const now = await changes[Symbol.asyncIterator]().next();
      if (now.done !== true) this.#hub.restartAfter(now.value.through + this.#keys.offset);
    }
  }

  async *#readHistory(
    prefix: string,
    { from, signal }: { readonly from: number; readonly signal: AbortSignal },
  ): AsyncGenerator<HistoryBatch> {
    const { offset } = this.#keys;
    const options = { ...this.#keys.range(prefix), from: this.#keys.toEtcdRevision(from - 1) + 1, signal };
    try {
      for await (const { events, through } of watchEtcd(this.#client, options))
        yield { events: this.#toEvents(events, prefix), through: through + offset };
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      throw new CompactedError(error.revision + offset, error.compactedRevision + offset);
    }
  }

  #toEvents(events: readonly WatchEvent[], prefix: string): StoreEvent[] {
    return events
      .filter((event) => this.#keys.isOurs(event.current.key, prefix))
      .map(({ isDelete, current, previous }): StoreEvent => {
        const before = previous && this.#keys.fromEtcd(previous);
        const { key, ...rest } = this.#keys.fromEtcd(current);
        const revision = rest.modRevision;
        if (!isDelete)
          return { type: "put", revision, key, current: { key, ...rest }, ...(before && { previous: before }) };
        if (before === undefined) throw new CompactedError(revision, revision);
        return { type: "delete", revision, key, previous: before };
      });
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }
}

function futureRevision(revision: number, newest: number): StoreError {
  return new StoreError("future-revision", `Cannot read revision ${revision}: the newest is ${newest}`);
}
