// The embedded store: one SQLite file in WAL mode, one writer, durable before the answer.
//
// Group commit: writes queue up during one turn of the event loop and go into one transaction with one fsync; what
// arrives during the commit forms the next group. Conditions are checked inside the transaction, in the order of arrival. Compaction
// rides in small pieces on transactions that are written anyway: an idle store writes nothing.

import type { DatabaseSync } from "node:sqlite";
import { Retention, type RetentionOptions } from "../retention.ts";
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
import { WatchHub, closedError } from "../watch-hub.ts";
import { CurrentKeys } from "./current-keys.ts";
import { openDatabase } from "./schema.ts";
import { writeFailure } from "./sqlite-error.ts";
import { prepareStatements, type Statements } from "./statements.ts";

export interface SqliteStoreOptions {
  /** Of the database file; `-wal` and `-shm` are made beside it. */
  readonly path: string;
  readonly retention?: RetentionOptions;
}

export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(openDatabase(options.path), new Retention(options.retention));
}

/** One queued write. `apply` runs inside the transaction; `settle` after the commit. */
interface Write {
  apply(transaction: Transaction): void;
  settle(): void;
  fail(error: unknown): void;
}

interface Transaction {
  revision: number;
  compacted: number;
  readonly events: StoreEvent[];
  /** What its writes left under the keys that they touched. */
  readonly written: Map<string, KeyValue | undefined>;
}

const maxGroup = 1024;
/** Revisions compacted with one transaction, at least; a bigger group compacts twice what it adds. */
const compactionPiece = 64;

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #sql: Statements;
  readonly #retention: Retention;
  readonly #hub: WatchHub;
  readonly #current: CurrentKeys;
  #queue: Write[] = [];
  #isScheduled = false;
  #isClosed = false;

  constructor(database: DatabaseSync, retention: Retention) {
    this.#database = database;
    this.#retention = retention;
    this.#sql = prepareStatements(database);
    this.#current = new CurrentKeys(this.#sql.readCurrent());
    // The pages were read for this once.
    database.exec("PRAGMA shrink_memory");
    this.#hub = new WatchHub({
      revision: this.#sql.getState("revision"),
      compacted: this.#sql.getState("compacted"),
      readHistory: (prefix, range) => this.#sql.readHistory(prefix, range),
    });
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
    const newest = this.#hub.revision;
    const revision = options.revision ?? newest;
    if (revision < this.#hub.compacted) throw new CompactedError(revision, this.#hub.compacted);
    if (revision > newest) throw futureRevision(revision, newest);
    if (revision === newest) return { ...this.#current.list(prefix, options), revision };
    const { startAfter, limit } = options;
    const items = this.#sql.listAt(prefix, {
      revision,
      ...(startAfter !== undefined && { startAfter }),
      ...(limit !== undefined && { limit: limit + 1 }),
    });
    const more = limit !== undefined && items.length > limit;
    if (more) items.pop();
    return { items, revision, more };
  }

  put(key: string, value: Uint8Array, condition: WriteCondition = {}): Promise<PutResult> {
    return this.#enqueue((transaction) => {
      const previous = this.#found(transaction, key);
      if (!isMet(condition, previous)) return { written: false, ...(previous && { current: previous }) };
      const revision = ++transaction.revision;
      const current = this.#current.keep({
        key,
        value,
        createRevision: previous?.createRevision ?? revision,
        modRevision: revision,
        version: (previous?.version ?? 0) + 1,
      });
      this.#sql.insertPut(current, previous?.modRevision ?? 0);
      transaction.written.set(key, current);
      transaction.events.push({ type: "put", revision, key, current, ...(previous && { previous }) });
      return { written: true, current, ...(previous && { previous }) };
    });
  }

  delete(key: string, condition: WriteCondition = {}): Promise<DeleteResult> {
    return this.#enqueue((transaction) => {
      const previous = this.#found(transaction, key);
      if (previous === undefined) return { deleted: false };
      if (!isMet(condition, previous)) return { deleted: false, current: previous };
      const revision = ++transaction.revision;
      this.#sql.insertDelete(revision, previous);
      transaction.written.set(key, undefined);
      transaction.events.push({ type: "delete", revision, key, previous });
      return { deleted: true, revision, previous };
    });
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    this.#assertOpen();
    return this.#hub.watch(prefix, options);
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    if (revision > this.#hub.revision) throw futureRevision(revision, this.#hub.revision);
    while (this.#hub.compacted < revision) {
      const to = Math.min(revision, this.#hub.compacted + 1000);
      await this.#enqueue((transaction) => this.#drop(transaction, to));
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    while (this.#queue.length > 0) this.#commitGroup();
    this.#isClosed = true;
    this.#hub.close();
    this.#database.close();
  }

  #enqueue<T>(apply: (transaction: Transaction) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(closedError());
        return;
      }
      let result: T;
      this.#queue.push({
        apply: (transaction) => {
          result = apply(transaction);
        },
        settle: () => resolve(result),
        fail: reject,
      });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After this turn's I/O callbacks, so that all requests that came in together share one commit.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#commitGroup();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #commitGroup(): void {
    const group = this.#queue.splice(0, maxGroup);
    if (group.length === 0) return;
    const transaction: Transaction = {
      revision: this.#hub.revision,
      compacted: this.#hub.compacted,
      events: [],
      written: new Map(),
    };
    try {
      this.#sql.begin();
      for (const write of group) write.apply(transaction);
      if (transaction.events.length > 0) {
        this.#sql.setState("revision", transaction.revision);
        this.#compactPiece(transaction);
      }
      this.#sql.commit();
    } catch (cause) {
      if (this.#database.isTransaction) this.#sql.rollback();
      const error = writeFailure(cause);
      for (const write of group) write.fail(error);
      return;
    }
    for (const event of transaction.events) this.#current.apply(event);
    this.#hub.compactedTo(transaction.compacted);
    if (transaction.events.length > 0) this.#hub.publish(transaction.events);
    for (const write of group) write.settle();
  }

  /** What is under a key for the next write of a transaction. */
  #found(transaction: Transaction, key: string): KeyValue | undefined {
    return transaction.written.has(key) ? transaction.written.get(key) : this.#current.get(key);
  }

  #compactPiece(transaction: Transaction): void {
    const target = this.#retention.target(transaction.revision);
    const piece = Math.max(compactionPiece, 2 * transaction.events.length);
    this.#drop(transaction, Math.min(target, transaction.compacted + piece));
  }

  #drop(transaction: Transaction, to: number): void {
    if (to <= transaction.compacted) return;
    this.#sql.dropHistory(transaction.compacted, to);
    transaction.compacted = to;
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
