// What every store promises, as tests. Each implementation mounts this suite; a promise that is not here is not one. Revisions are
// those that the writes reported: a store may start at any, and one that is shared has holes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompactedError, StoreError } from "./store-error.ts";
import type { KeyValue, Store, StoreEvent } from "./store.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** Reads until there are `count` events, then ends the watch; what came with the last of them is there too. */
export async function readEvents(
  store: Store,
  prefix: string,
  options: { from: number; count: number },
): Promise<StoreEvent[]> {
  const end = new AbortController();
  const events: StoreEvent[] = [];
  for await (const batch of store.watch(prefix, { fromRevision: options.from, signal: end.signal })) {
    events.push(...batch);
    if (events.length >= options.count) end.abort();
  }
  return events;
}

/** A put that must succeed; gives its revision. */
export async function put(store: Store, key: string, value = "x", expected?: number): Promise<number> {
  const result = await store.put(key, bytes(value), expected === undefined ? {} : { expected });
  if (!result.written) throw new Error(`put of ${key} was refused`);
  return result.current.modRevision;
}

/** A deletion that must succeed; gives its revision. */
export async function remove(store: Store, key: string): Promise<number> {
  const result = await store.delete(key);
  if (!result.deleted) throw new Error(`delete of ${key} was refused`);
  return result.revision;
}

/** Turns of the event loop until it is so; the test's own time-out is the bound. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

export function storeConformance(name: string, open: () => Promise<Store>): void {
  const rule = (title: string, run: (store: Store) => Promise<void>): void => {
    it(title, { timeout: 30_000 }, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  };

  describe(`${name}: reads and writes`, () => {
    rule("a new store is empty", async (store) => {
      const revision = await store.revision();
      assert.equal(await store.get("/a"), undefined);
      const page = await store.list("/");
      assert.deepEqual([page.items, page.more], [[], false]);
      assert.ok(page.revision >= revision);
    });

    rule("each change takes a later revision, and versions count the puts since the key was made", async (store) => {
      const first = await put(store, "/a", "1");
      const other = await put(store, "/b", "1");
      const second = await put(store, "/a", "2");
      assert.ok(first < other && other < second);
      const a = await store.get("/a");
      assert.deepEqual([a?.createRevision, a?.modRevision, a?.version, text(a?.value)], [first, second, 2, "2"]);
      assert.ok((await remove(store, "/a")) > second);
      const third = await put(store, "/a", "3");
      const again = await store.get("/a");
      assert.deepEqual([again?.createRevision, again?.modRevision, again?.version], [third, third, 1]);
      assert.ok((await store.revision()) >= third);
    });

    rule("a write tells what it wrote and what was there before", async (store) => {
      const made = await store.put("/a", bytes("1"));
      assert.deepEqual([made.written, made.written && made.previous], [true, undefined]);
      const changed = await store.put("/a", bytes("2"), { expected: made.current?.modRevision ?? -1 });
      assert.ok(made.written && changed.written);
      assert.deepEqual(plain(changed.previous), plain(made.current));
      assert.deepEqual(plain(changed.current), plain(await store.get("/a")));
      const deletion = await store.delete("/a");
      assert.ok(deletion.deleted);
      assert.deepEqual(plain(deletion.previous), plain(changed.current));
    });

    rule("expected 0 writes only when the key does not exist", async (store) => {
      const first = await put(store, "/a", "1", 0);
      const second = await store.put("/a", bytes("2"), { expected: 0 });
      assert.deepEqual([second.written, second.current?.modRevision], [false, first]);
      assert.equal((await store.delete("/a", { expected: 0 })).deleted, false);
      assert.equal(text((await store.get("/a"))?.value), "1");
    });

    rule("a write with an old revision changes nothing and tells what is there", async (store) => {
      const first = await put(store, "/a", "1");
      const second = await put(store, "/a", "2");
      const refused = await store.put("/a", bytes("3"), { expected: first });
      assert.deepEqual([refused.written, text(refused.current?.value)], [false, "2"]);
      const deletion = await store.delete("/a", { expected: first });
      assert.deepEqual([deletion.deleted, !deletion.deleted && text(deletion.current?.value)], [false, "2"]);
      const third = await put(store, "/a", "3", second);
      assert.equal((await store.delete("/a", { expected: third })).deleted, true);
    });

    rule("a key that does not exist cannot be deleted or updated", async (store) => {
      assert.deepEqual(await store.delete("/a"), { deleted: false });
      assert.deepEqual(await store.delete("/a", { expected: 4 }), { deleted: false });
      assert.deepEqual(await store.put("/a", bytes("1"), { expected: 4 }), { written: false });
      assert.equal(await store.get("/a"), undefined);
    });

    rule("of many writers with the same expectation exactly one wins", async (store) => {
      const expected = await put(store, "/a", "0");
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.put("/a", bytes(String(index)), { expected })),
      );
      assert.equal(results.filter((result) => result.written).length, 1);
      assert.equal((await store.get("/a"))?.version, 2);
    });

    rule("values come back as the bytes that were put", async (store) => {
      const value = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
      await store.put("/big", value);
      await store.put("/empty", new Uint8Array());
      assert.deepEqual(new Uint8Array((await store.get("/big"))?.value ?? []), value);
      assert.equal((await store.get("/empty"))?.value.length, 0);
    });
  });

  describe(`${name}: lists`, () => {
    rule("a list has the keys of its prefix only, in the order of their bytes", async (store) => {
      let newest = 0;
      for (const key of ["/p/b", "/p/a-b", "/p/a/b", "/p/a", "/pp", "/o/z", "/q"]) newest = await put(store, key, key);
      const page = await store.list("/p/");
      assert.deepEqual(
        page.items.map((item) => item.key),
        ["/p/a", "/p/a-b", "/p/a/b", "/p/b"],
      );
      assert.ok(page.revision >= newest);
      assert.equal((await store.list("")).items.length, 7);
    });

    rule("pages at one revision make up the list of that revision, whatever is written between", async (store) => {
      for (let index = 0; index < 10; index++) await store.put(`/p/${index}`, bytes("old"));
      const first = await store.list("/p/", { limit: 4 });
      assert.deepEqual([first.items.length, first.more], [4, true]);
      await store.put("/p/5", bytes("new"));
      await store.delete("/p/6");
      await store.put("/p/55", bytes("new"));
      const { revision } = first;
      const second = await store.list("/p/", { limit: 4, startAfter: "/p/3", revision });
      const third = await store.list("/p/", { limit: 4, startAfter: "/p/7", revision });
      const all = [...first.items, ...second.items, ...third.items];
      assert.deepEqual(
        all.map((item) => [item.key, text(item.value)]),
        Array.from({ length: 10 }, (_, index) => [`/p/${index}`, "old"]),
      );
      assert.deepEqual([second.more, third.more, third.revision], [true, false, revision]);
    });

    rule("a limit that fits exactly leaves nothing more", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/b", bytes("1"));
      assert.equal((await store.list("/", { limit: 2 })).more, false);
      const cut = await store.list("/", { limit: 1 });
      assert.equal(cut.more, true);
      assert.equal(cut.remaining ?? 1, 1, "what is told of the rest is true");
    });

    rule("a revision that is not reached yet is refused", async (store) => {
      await assert.rejects(
        store.list("/", { revision: (await store.revision()) + 1_000_000 }),
        (error) => error instanceof StoreError && error.code === "future-revision",
      );
    });
  });

  describe(`${name}: watches`, () => {
    rule("a watch gives past and coming changes in order, with the previous value", async (store) => {
      const first = await put(store, "/a", "1");
      const second = await put(store, "/a", "2");
      const reading = readEvents(store, "/", { from: first, count: 4 });
      const third = await remove(store, "/a");
      const fourth = await put(store, "/a", "3");
      const events = await reading;
      assert.deepEqual(
        events.map((event) => [event.revision, event.type, text(event.previous?.value)]),
        [
          [first, "put", undefined],
          [second, "put", "1"],
          [third, "delete", "2"],
          [fourth, "put", undefined],
        ],
      );
    });

    rule("a watch gives the changes of its prefix only", async (store) => {
      const from = (await store.revision()) + 1;
      const reading = readEvents(store, "/a/", { from, count: 2 });
      for (const key of ["/a/1", "/b/1", "/ab", "/a/2"]) await put(store, key);
      const late = readEvents(store, "/a/", { from, count: 2 });
      for (const events of [await reading, await late])
        assert.deepEqual(
          events.map((event) => event.key),
          ["/a/1", "/a/2"],
        );
    });

    rule("a watch from a coming revision gives nothing before it", async (store) => {
      const now = await put(store, "/a", "0");
      const reading = readEvents(store, "/", { from: now + 3, count: 1 });
      const later: number[] = [];
      while ((later.at(-1) ?? 0) < now + 3) later.push(await put(store, "/a", "x"));
      assert.equal((await reading)[0]?.revision, later.at(-1));
    });

    rule("a change that failed is never seen", async (store) => {
      const first = await put(store, "/a", "1", 0);
      await store.put("/a", bytes("no"), { expected: 0 });
      const second = await put(store, "/a", "2", first);
      assert.deepEqual(
        (await readEvents(store, "/", { from: first, count: 2 })).map((event) => event.revision),
        [first, second],
      );
    });

    rule("a reader that is thousands of changes behind loses none", async (store) => {
      const end = new AbortController();
      const seen: number[] = [];
      const watch = store.watch("/", { fromRevision: (await store.revision()) + 1, signal: end.signal });
      const iterator = watch[Symbol.asyncIterator]();
      const total = 6_000;
      const first = iterator.next();
      const written: number[] = [];
      for (let index = 0; index < total; index += 500)
        written.push(
          ...(await Promise.all(Array.from({ length: 500 }, (_, n) => put(store, `/k${(index + n) % 700}`)))),
        );
      for (let step = await first; step.done !== true; step = await iterator.next()) {
        seen.push(...step.value.map((event) => event.revision));
        if (seen.length >= total) end.abort();
      }
      assert.deepEqual(
        seen,
        written.toSorted((a, b) => a - b),
      );
      assert.ok(watch.revision >= (seen.at(-1) ?? Infinity));
    });

    rule("a watch tells up to where it has seen everything, also when nothing concerned it", async (store) => {
      const end = new AbortController();
      const watch = store.watch("/a/", { fromRevision: (await store.revision()) + 1, signal: end.signal });
      const next = watch[Symbol.asyncIterator]().next();
      let newest = 0;
      for (let index = 0; index < 5; index++) newest = await put(store, "/b/1");
      await until(() => watch.revision >= newest);
      newest = await put(store, "/a/1");
      assert.equal((await next).done, false);
      assert.ok(watch.revision >= newest);
      end.abort();
    });

    rule("a watch ends when its signal aborts or the store closes", async (store) => {
      const end = new AbortController();
      const from = (await store.revision()) + 1;
      const closed = readEvents(store, "/", { from, count: 1 });
      const one = store.watch("/", { fromRevision: from, signal: end.signal })[Symbol.asyncIterator]().next();
      end.abort();
      assert.equal((await one).done, true);
      await store.close();
      assert.deepEqual(await closed, []);
    });
  });

  describe(`${name}: compaction`, () => {
    rule("what is newest stays readable; what is older than the compacted revision is not", async (store) => {
      await put(store, "/a", "1");
      const old = await put(store, "/b", "1");
      const compacted = await put(store, "/a", "2");
      await remove(store, "/b");
      const newest = await put(store, "/c", "1");
      await store.compact(compacted);
      assert.deepEqual(
        (await store.list("/", { revision: compacted })).items.map((item) => [item.key, text(item.value)]),
        [
          ["/a", "2"],
          ["/b", "1"],
        ],
      );
      await assert.rejects(store.list("/", { revision: old }), CompactedError);
      await store.compact(newest);
      assert.deepEqual(
        (await store.list("/")).items.map((item) => item.key),
        ["/a", "/c"],
      );
    });

    rule(
      "a watch from a compacted revision fails or leaves nothing out; from the next one it goes on",
      async (store) => {
        await put(store, "/a", "1");
        const second = await put(store, "/a", "2");
        const third = await put(store, "/a", "3");
        await store.compact(second);
        assert.deepEqual(await revisionsFrom(store, { from: second, count: 2 }), [second, third]);
        const [event] = await readEvents(store, "/", { from: second + 1, count: 1 });
        assert.deepEqual([event?.revision, text(event?.previous?.value)], [third, "2"]);
      },
    );

    rule("a deletion at the compacted revision is not left out by a watch from there", async (store) => {
      await put(store, "/a", "1");
      const deleted = await remove(store, "/a");
      const next = await put(store, "/b", "1");
      await store.compact(deleted);
      assert.deepEqual(await revisionsFrom(store, { from: deleted, count: 2 }), [deleted, next]);
    });

    rule("a watch of big values gives them in batches that a slow reader can hold", async (store) => {
      const value = new Uint8Array(400 * 1024);
      const before = await store.revision();
      for (let index = 0; index < 8; index++) await store.put(`/a/${index}`, value);
      const end = new AbortController();
      const keys: string[] = [];
      for await (const batch of store.watch("/a/", { fromRevision: before + 1, signal: end.signal })) {
        assert.ok(batch.length <= 4, `${batch.length} events of 400 kB at once`);
        keys.push(...batch.map((event) => event.key));
        if (keys.length >= 8) end.abort();
      }
      assert.deepEqual(
        keys,
        [0, 1, 2, 3, 4, 5, 6, 7].map((index) => `/a/${index}`),
      );
    });

    rule("a waiting watch of a quiet prefix is not overtaken by compaction", async (store) => {
      const reading = readEvents(store, "/quiet/", { from: (await store.revision()) + 1, count: 1 });
      let busy = 0;
      for (let index = 0; index < 20; index++) busy = await put(store, "/busy/1", String(index));
      await store.compact(busy);
      const quiet = await put(store, "/quiet/1");
      assert.equal((await reading)[0]?.revision, quiet);
    });

    rule("deleted keys do not reappear after compaction", async (store) => {
      for (let round = 0; round < 5; round++) {
        await put(store, "/a", String(round));
        await store.compact(await remove(store, "/a"));
        assert.equal(await store.get("/a"), undefined);
        assert.deepEqual((await store.list("/")).items, []);
      }
      await put(store, "/a", "new");
      assert.equal((await store.get("/a"))?.version, 1);
    });

    rule("compacting the same or an older revision again changes nothing; a future one is refused", async (store) => {
      const first = await put(store, "/a", "1");
      const second = await put(store, "/a", "2");
      await store.compact(second);
      await store.compact(first);
      await store.compact(second);
      assert.equal(text((await store.get("/a"))?.value), "2");
      await assert.rejects(store.compact((await store.revision()) + 1_000_000), StoreError);
    });
  });

  describe(`${name}: closing`, () => {
    rule("writes accepted before close are finished; later ones are refused", async (store) => {
      const accepted = store.put("/a", bytes("1"));
      await store.close();
      assert.equal((await accepted).written, true);
      await assert.rejects(
        store.put("/b", bytes("1")),
        (error) => error instanceof StoreError && error.code === "closed",
      );
      await assert.rejects(store.get("/a"), (error) => error instanceof StoreError && error.code === "closed");
    });
  });
}

/** What a watch from `from` gave, or what it had to give when it failed as compacted, which is right too. */
async function revisionsFrom(store: Store, { from, count }: { from: number; count: number }): Promise<number[]> {
  try {
    return (await readEvents(store, "/", { from, count })).map((event) => event.revision);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    assert.ok(error.compactedRevision >= from);
    return (await readEvents(store, "/", { from: from + 1, count: count - 1 }))
      .map((event) => event.revision)
      .toSpliced(0, 0, from);
  }
}

/** Stores may keep bytes in any kind of Uint8Array. */
function plain(kv: KeyValue | undefined): unknown {
  return kv === undefined ? undefined : { ...kv, value: text(kv.value) };
}
