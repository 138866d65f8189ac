// Random histories on all stores: whatever is written, compacted and restarted, watchers see each change once, in order, with none
// left out, and can go on from any point; and compare-and-swap behaves as if writes happened one after the other.
// STORE_SEED repeats a run.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { openEtcdStore } from "./etcd/open-etcd-store.ts";
import { openMemoryStore } from "./memory-store.ts";
import { openSqliteStore } from "./sqlite/sqlite-store.ts";
import { bytes, text, until } from "./store-conformance.ts";
import { CompactedError } from "./store-error.ts";
import type { Store, StoreEvent } from "./store.ts";
import { EtcdServer, whyNoEtcd } from "./etcd/etcd-server.ts";

const keys = ["/a/1", "/a/2", "/b/1", "/b/2"] as const;

type Guess = "any" | "right" | "wrong" | "absent";

type Action =
  | { readonly kind: "put"; readonly key: string; readonly guess: Guess }
  | { readonly kind: "delete"; readonly key: string; readonly guess: Guess }
  /** Waits for all writes before it. */
  | { readonly kind: "settle" }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "restart" };

const guess = fc.constantFrom<Guess>("any", "right", "right", "wrong", "absent");
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), key: fc.constantFrom(...keys), guess }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), key: fc.constantFrom(...keys), guess }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

interface Openable {
  readonly name: string;
  readonly runs: number;
  readonly skip: string | false;
  /** A store of its own has no holes in its revisions. */
  readonly isShared: boolean;
  /** Opens an empty store; `again` opens the same one. */
  readonly open: () => Promise<{ store: Store; again?: () => Promise<Store> }>;
}

const directory = await mkdtemp(join(tmpdir(), "vivarium-history-"));
const skipEtcd = whyNoEtcd();
const etcd = skipEtcd === false ? await EtcdServer.start() : undefined;
after(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
let opened = 0;

const stores: readonly Openable[] = [
  { name: "memory", runs: 300, skip: false, isShared: false, open: async () => ({ store: openMemoryStore() }) },
  {
    name: "sqlite",
    runs: 120,
    skip: false,
    isShared: false,
    open: async () => {
      const path = join(directory, `${++opened}.db`);
      return { store: openSqliteStore({ path }), again: async () => openSqliteStore({ path }) };
    },
  },
  {
    name: "etcd",
    runs: 25,
    skip: skipEtcd,
    isShared: true,
    open: async () => {
      const options = { endpoints: [etcd?.endpoint ?? ""], prefix: `/${++opened}`, compactionIntervalMs: 0 };
      return { store: await openEtcdStore(options), again: () => openEtcdStore(options) };
    },
  },
];

const seed = Number(process.env["STORE_SEED"] ?? Date.now() % 1_000_000);

for (const { name, runs, skip, isShared, open } of stores)
  test(`${name}: random histories keep every promise`, { skip, timeout: 120_000 }, async (t) => {
    t.diagnostic(`STORE_SEED=${seed}`);
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const { store, again } = await open();
        const run = new History(store, { again, isShared, base: await store.revision() });
        for (const each of actions) await run.perform(each);
        await run.finish();
      }),
      { numRuns: runs, seed },
    );
  });

class History {
  #store: Store;
  readonly #again: (() => Promise<Store>) | undefined;
  readonly #isShared: boolean;
  /** The revision before the first write. */
  readonly #base: number;
  #pending: Promise<void>[] = [];
  /** What every write that succeeded reported, in any order. */
  readonly #written = new Map<number, { key: string; value: string | undefined }>();
  #writes = 0;
  #compacted: number;
  #watchers: { readonly from: number; readonly seen: StoreEvent[]; readonly done: Promise<void> }[] = [];
  #end = new AbortController();

  constructor(
    store: Store,
    options: { readonly again: (() => Promise<Store>) | undefined; readonly isShared: boolean; readonly base: number },
  ) {
    this.#store = store;
    this.#again = options.again;
    this.#isShared = options.isShared;
    this.#base = options.base;
    this.#compacted = options.base;
    this.#watch(this.#base + 1);
  }

  async perform(action: Action): Promise<void> {
    switch (action.kind) {
      case "put":
      case "delete":
        this.#pending.push(this.#write(action.kind, action.key, await this.#condition(action)));
        break;
      case "settle":
        await this.#settle();
        break;
      case "compact": {
        await this.#settle();
        await this.#caughtUp();
        const to = Math.max(this.#compacted, (await this.#store.revision()) - action.back);
        await this.#store.compact(to);
        this.#compacted = to;
        break;
      }
      case "restart":
        await this.#settle();
        await this.#restart();
        break;
    }
  }

  async finish(): Promise<void> {
    await this.#settle();
    await this.#caughtUp();
    const newest = await this.#store.revision();
    if (!this.#isShared) assert.deepEqual(this.#revisions(), range(this.#base + 1, newest), "revisions have no holes");
    await this.#checkState(newest);
    await this.#checkResume(newest);
    this.#end.abort();
    await Promise.all(this.#watchers.map((watcher) => watcher.done));
    for (const { from, seen } of this.#watchers) this.#checkSeen(seen, from);
    await this.#store.close();
  }

  async #condition({ key, guess }: Extract<Action, { key: string }>): Promise<{ expected?: number }> {
    const revision = (await this.#store.get(key))?.modRevision ?? 0;
    switch (guess) {
      case "any":
        return {};
      case "right":
        return { expected: revision };
      case "wrong":
        return { expected: revision + 1_000_000 };
      case "absent":
        return { expected: 0 };
    }
  }

  async #write(kind: "put" | "delete", key: string, condition: { expected?: number }): Promise<void> {
    const value = String(++this.#writes);
    if (kind === "put") {
      const result = await this.#store.put(key, bytes(value), condition);
      if (!result.written) return;
      if (condition.expected !== undefined) assert.equal(result.previous?.modRevision ?? 0, condition.expected);
      this.#record(result.current.modRevision, { key, value });
    } else {
      const result = await this.#store.delete(key, condition);
      if (!result.deleted) return;
      if (condition.expected !== undefined) assert.equal(result.previous.modRevision, condition.expected);
      this.#record(result.revision, { key, value: undefined });
    }
  }

  #record(revision: number, written: { key: string; value: string | undefined }): void {
    assert.ok(!this.#written.has(revision), `revision ${revision} was given to one write only`);
    this.#written.set(revision, written);
  }

  #watch(from: number): void {
    const seen: StoreEvent[] = [];
    const { signal } = this.#end;
    const watch = this.#store.watch("/", { fromRevision: from, signal });
    const done = (async () => {
      for await (const batch of watch) seen.push(...batch);
    })();
    this.#watchers.push({ from, seen, done });
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.#pending = [];
  }

  /** Until the newest watcher has seen everything, so that compaction cannot overtake it. */
  async #caughtUp(): Promise<void> {
    const newest = this.#revisions().at(-1) ?? 0;
    const last = this.#watchers.at(-1);
    if (last === undefined || newest < last.from) return;
    await until(() => (last.seen.at(-1)?.revision ?? 0) >= newest);
  }

  async #restart(): Promise<void> {
    if (this.#again === undefined) return;
    await this.#caughtUp();
    const next = (await this.#store.revision()) + 1;
    await this.#store.close();
    this.#store = await this.#again();
    this.#watch(next);
  }

  /** The store holds exactly what the writes, in the order of their revisions, leave; also as it was at older revisions. */
  async #checkState(newest: number): Promise<void> {
    for (const revision of range(Math.max(this.#compacted, newest - 10), newest)) {
      const state = new Map<string, string>();
      for (const each of this.#revisions().filter((written) => written <= revision)) {
        const written = this.#written.get(each);
        if (written?.value === undefined) state.delete(written?.key ?? "");
        else state.set(written.key, written.value);
      }
      const page = await this.#store.list("/", { revision });
      assert.deepEqual(
        page.items.map((item) => [item.key, text(item.value)]),
        [...state].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        `at revision ${revision}`,
      );
    }
  }

  /** A watch can begin at any revision that is not compacted. */
  async #checkResume(newest: number): Promise<void> {
    const last = this.#revisions().at(-1) ?? 0;
    for (const from of range(this.#base + 1, Math.min(newest, last))) {
      const iterator = this.#store.watch("/", { fromRevision: from, signal: this.#end.signal })[Symbol.asyncIterator]();
      try {
        const step = await iterator.next();
        assert.ok(step.done !== true);
        this.#checkSeen(step.value, from);
      } catch (error) {
        if (!(error instanceof CompactedError) || from > this.#compacted) throw error;
      }
    }
  }

  /** Of all writes that succeeded, in their order. */
  #revisions(): readonly number[] {
    return [...this.#written.keys()].toSorted((a, b) => a - b);
  }

  #checkSeen(seen: readonly StoreEvent[], from: number): void {
    const expected = this.#revisions().filter((revision) => revision >= from);
    seen.forEach((event, index) => {
      assert.equal(event.revision, expected[index], "ordered, unique, none left out");
      const written = this.#written.get(event.revision);
      const value = event.type === "put" ? text(event.current.value) : undefined;
      assert.deepEqual({ key: event.key, value }, written);
      const before = this.#revisions()
        .filter((revision) => revision < event.revision)
        .map((revision) => this.#written.get(revision))
        .findLast((each) => each?.key === event.key)?.value;
      assert.equal(text(event.previous?.value), before, "the previous value is the one before");
    });
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}
