// What every store promises, as tests. Each implementation mounts this suite; a promise that is not here is not one.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompactedError, StoreError } from "./store-error.ts";
import type { Store, StoreEvent } from "./store.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** Reads exactly `count` events, then ends the watch. */
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
    rule("a new store is at revision 0 and empty", async (store) => {
      assert.equal(await store.revision(), 0);
      assert.equal(await store.get("/a"), undefined);
      assert.deepEqual(await store.list("/"), { items: [], revision: 0, more: false });
    });

    rule("each change takes the next revision, and versions count the puts since the key was made", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/b", bytes("1"));
      await store.put("/a", bytes("2"));
      const a = await store.get("/a");
      assert.deepEqual([a?.createRevision, a?.modRevision, a?.version, text(a?.value)], [1, 3, 2, "2"]);
      await store.delete("/a");
      await store.put("/a", bytes("3"));
      const again = await store.get("/a");
      assert.deepEqual([again?.createRevision, again?.modRevision, again?.version], [5, 5, 1]);
      assert.equal(await store.revision(), 5);
    });

    rule("expected 0 writes only when the key does not exist", async (store) => {
      assert.equal((await store.put("/a", bytes("1"), { expected: 0 })).written, true);
      const second = await store.put("/a", bytes("2"), { expected: 0 });
      assert.equal(second.written, false);
      assert.equal(second.current?.modRevision, 1);
      assert.equal(text((await store.get("/a"))?.value), "1");
      assert.equal(await store.revision(), 1);
    });

    rule("a write with an old revision changes nothing and tells what is there", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/a", bytes("2"));
      const put = await store.put("/a", bytes("3"), { expected: 1 });
      assert.deepEqual([put.written, text(put.current?.value)], [false, "2"]);
      const deletion = await store.delete("/a", { expected: 1 });
      assert.equal(deletion.deleted, false);
      assert.equal((await store.put("/a", bytes("3"), { expected: 2 })).written, true);
      assert.equal((await store.delete("/a", { expected: 3 })).deleted, true);
    });

    rule("a key that does not exist cannot be deleted or updated", async (store) => {
      assert.deepEqual(await store.delete("/a"), { deleted: false });
      assert.deepEqual(await store.delete("/a", { expected: 4 }), { deleted: false });
      assert.deepEqual(await store.put("/a", bytes("1"), { expected: 4 }), { written: false });
      assert.equal(await store.revision(), 0);
    });

    rule("of many writers with the same expectation exactly one wins", async (store) => {
      await store.put("/a", bytes("0"));
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.put("/a", bytes(String(index)), { expected: 1 })),
      );
      assert.equal(results.filter((result) => result.written).length, 1);
      assert.equal(await store.revision(), 2);
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
      for (const key of ["/p/b", "/p/a-b", "/p/a/b", "/p/a", "/pp", "/o/z", "/q"]) await store.put(key, bytes(key));
      const page = await store.list("/p/");
      assert.deepEqual(
        page.items.map((item) => item.key),
        ["/p/a", "/p/a-b", "/p/a/b", "/p/b"],
      );
      assert.equal(page.revision, 7);
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
      assert.equal((await store.list("/", { limit: 1 })).more, true);
    });

    rule("a revision that is not reached yet is refused", async (store) => {
      await assert.rejects(
        store.list("/", { revision: 1 }),
        (error) => error instanceof StoreError && error.code === "future-revision",
      );
    });
  });

  describe(`${name}: watches`, () => {
    rule("a watch gives past and coming changes in order, with the previous value", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/a", bytes("2"));
      const reading = readEvents(store, "/", { from: 1, count: 4 });
      await store.delete("/a");
      await store.put("/a", bytes("3"));
      const events = await reading;
      assert.deepEqual(
        events.map((event) => [event.revision, event.type, text(event.previous?.value)]),
        [
          [1, "put", undefined],
          [2, "put", "1"],
          [3, "delete", "2"],
          [4, "put", undefined],
        ],
      );
    });

    rule("a watch gives the changes of its prefix only", async (store) => {
      const reading = readEvents(store, "/a/", { from: 1, count: 2 });
      for (const key of ["/a/1", "/b/1", "/ab", "/a/2"]) await store.put(key, bytes("x"));
      assert.deepEqual(
        (await reading).map((event) => event.key),
        ["/a/1", "/a/2"],
      );
    });

    rule("a change that failed is never seen", async (store) => {
      await store.put("/a", bytes("1"), { expected: 0 });
      await store.put("/a", bytes("no"), { expected: 0 });
      await store.put("/a", bytes("2"), { expected: 1 });
      assert.deepEqual(
        (await readEvents(store, "/", { from: 1, count: 2 })).map((event) => event.revision),
        [1, 2],
      );
    });

    rule("a reader that is thousands of changes behind loses none", async (store) => {
      const end = new AbortController();
      const seen: number[] = [];
      const watch = store.watch("/", { fromRevision: 1, signal: end.signal });
      const iterator = watch[Symbol.asyncIterator]();
      const total = 6_000;
      const first = iterator.next();
      for (let index = 0; index < total; index += 500)
        await Promise.all(Array.from({ length: 500 }, (_, n) => store.put(`/k${(index + n) % 700}`, bytes("x"))));
      for (let step = await first; step.done !== true; step = await iterator.next()) {
        seen.push(...step.value.map((event) => event.revision));
        if (seen.length >= total) end.abort();
      }
      assert.deepEqual(
        seen,
        Array.from({ length: total }, (_, index) => index + 1),
      );
      assert.equal(watch.revision, total);
    });

    rule("a watch tells up to where it has seen everything, also when nothing concerned it", async (store) => {
      const end = new AbortController();
      const watch = store.watch("/a/", { fromRevision: 1, signal: end.signal });
      const next = watch[Symbol.asyncIterator]().next();
      for (let index = 0; index < 5; index++) await store.put("/b/1", bytes("x"));
      assert.equal(watch.revision, 5);
      await store.put("/a/1", bytes("x"));
      assert.equal((await next).done, false);
      assert.equal(watch.revision, 6);
      end.abort();
    });

    rule("a watch ends when its signal aborts or the store closes", async (store) => {
      const end = new AbortController();
      const aborted = readEvents(store, "/", { from: 1, count: 1 });
      const one = store.watch("/", { fromRevision: 1, signal: end.signal })[Symbol.asyncIterator]().next();
      end.abort();
      assert.equal((await one).done, true);
      await store.close();
      assert.deepEqual(await aborted, []);
    });
  });

  describe(`${name}: compaction`, () => {
    rule("what is newest stays readable; what is older than the compacted revision is not", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/b", bytes("1"));
      await store.put("/a", bytes("2"));
      await store.delete("/b");
      await store.put("/c", bytes("1"));
      await store.compact(3);
      assert.deepEqual(
        (await store.list("/", { revision: 3 })).items.map((item) => [item.key, text(item.value)]),
        [
          ["/a", "2"],
          ["/b", "1"],
        ],
      );
      await assert.rejects(store.list("/", { revision: 2 }), CompactedError);
      await store.compact(5);
      assert.deepEqual(
        (await store.list("/")).items.map((item) => item.key),
        ["/a", "/c"],
      );
    });

    rule("a watch from a compacted revision fails; from the next one it goes on", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/a", bytes("2"));
      await store.put("/a", bytes("3"));
      await store.compact(2);
      await assert.rejects(readEvents(store, "/", { from: 2, count: 1 }), CompactedError);
      const [event] = await readEvents(store, "/", { from: 3, count: 1 });
      assert.deepEqual([event?.revision, text(event?.previous?.value)], [3, "2"]);
    });

    rule("a waiting watch of a quiet prefix is not overtaken by compaction", async (store) => {
      const reading = readEvents(store, "/quiet/", { from: 1, count: 1 });
      for (let index = 0; index < 20; index++) await store.put("/busy/1", bytes(String(index)));
      await store.compact(20);
      await store.put("/quiet/1", bytes("x"));
      assert.equal((await reading)[0]?.revision, 21);
    });

    rule("deleted keys do not reappear after compaction", async (store) => {
      for (let round = 0; round < 5; round++) {
        await store.put("/a", bytes(String(round)));
        await store.delete("/a");
        await store.compact(await store.revision());
        assert.equal(await store.get("/a"), undefined);
        assert.deepEqual((await store.list("/")).items, []);
      }
      await store.put("/a", bytes("new"));
      assert.equal((await store.get("/a"))?.version, 1);
    });

    rule("compacting the same or an older revision again changes nothing; a future one is refused", async (store) => {
      await store.put("/a", bytes("1"));
      await store.put("/a", bytes("2"));
      await store.compact(2);
      await store.compact(1);
      await store.compact(2);
      assert.equal(text((await store.get("/a"))?.value), "2");
      await assert.rejects(store.compact(3), StoreError);
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
