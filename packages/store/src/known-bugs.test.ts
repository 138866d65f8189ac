// Bugs that stores like this one have had, each as the rule that it broke. The numbers are those of https://github.com/k3s-io/kine.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { EtcdServer, whyNoEtcd } from "./etcd/etcd-server.ts";
import { openEtcdStore } from "./etcd/open-etcd-store.ts";
import { openSqliteStore } from "./sqlite/sqlite-store.ts";
import { bytes, put, readEvents, remove, text } from "./store-conformance.ts";
import { CompactedError, StoreError } from "./store-error.ts";
import type { Store } from "./store.ts";

/** Opens a new store; each call of the result opens the same one again. */
type NewStore = () => () => Promise<Store>;

const skipEtcd = whyNoEtcd();
const directory = await mkdtemp(join(tmpdir(), "vivarium-known-bugs-"));
after(() => rm(directory, { recursive: true, force: true }));
let stores = 0;

function newSqlite(): () => Promise<Store> {
  const path = join(directory, `${++stores}.db`);
  return async () => openSqliteStore({ path });
}

describe("sqlite: known bugs of others", () => {
  knownBugs(newSqlite);

  it("kine#357, kine#414: compaction that met `database is locked` goes on with the next write, and catches up", async () => {
    const path = join(directory, `${++stores}.db`);
    const retention = { minRevisions: 10, minAgeMs: 0, maxRevisions: 10 };
    const store = openSqliteStore({ path, retention });
    for (let index = 0; index < 30; index++) await put(store, "/a", String(index));
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(
      store.put("/a", bytes("locked")),
      (error) => error instanceof StoreError && error.code === "unavailable",
    );
    other.exec("ROLLBACK");
    assert.notEqual(text((await store.get("/a"))?.value), "locked");
    for (let index = 0; index < 50; index++) await put(store, "/a", String(index));
    const newest = await store.revision();
    await assert.rejects(store.list("/", { revision: newest - 40 }), CompactedError);
    const rows = Number(other.prepare("SELECT count(*) AS n FROM history").get()?.["n"]);
    assert.ok(rows < 80, `history is short again: ${rows} rows`);
    other.close();
    await store.close();
  });
});

describe("etcd: known bugs of others", { skip: skipEtcd }, () => {
  let server: EtcdServer;
  before(async () => {
    server = await EtcdServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  knownBugs(() => {
    const prefix = `/known-bugs-${++stores}`;
    return () => openEtcdStore({ endpoints: [server.endpoint], prefix, compactionIntervalMs: 0 });
  });
});

function knownBugs(newStore: NewStore): void {
  it("kine#408: what was deleted does not come back when the deletion itself is compacted, nor after a restart", async () => {
    const open = newStore();
    let store = await open();
    for (let index = 0; index < 20; index++) await put(store, `/node/${index}`, "1");
    for (let index = 0; index < 20; index++) await put(store, `/node/${index}`, "2");
    for (let index = 0; index < 20; index += 2) await remove(store, `/node/${index}`);
    const kept = Array.from({ length: 10 }, (_, index) => `/node/${index * 2 + 1}`).toSorted();
    for (let round = 0; round < 3; round++) {
      await store.compact(await put(store, "/other", String(round)));
      const listed = (await store.list("/node/")).items.map((item) => item.key);
      assert.deepEqual(listed, kept);
      assert.equal(await store.get("/node/0"), undefined);
      // Deleted twice, made and deleted again: still gone.
      assert.equal((await store.delete("/node/0")).deleted, false);
      await put(store, "/node/0", "again", 0);
      await remove(store, "/node/0");
      await store.close();
      store = await open();
    }
    await store.close();
  });

  it("kine#220: a watch that begins where a list ended gives every deletion after it, or says that it cannot", async () => {
    const open = newStore();
    const store = await open();
    for (let index = 0; index < 300; index++) await put(store, `/pod/${index}`);
    const { revision, items } = await store.list("/pod/");
    const cache = new Set(items.map((item) => item.key));
    const deletions = Array.from({ length: 300 }, (_, index) => index).filter((index) => index % 3 > 0);
    const end = new AbortController();
    const watch = store.watch("/pod/", { fromRevision: revision + 1, signal: end.signal });
    const batches = watch[Symbol.asyncIterator]();
    // The reader is slow: all of it happens before it reads.
    const first = batches.next();
    await Promise.all(deletions.map((index) => remove(store, `/pod/${index}`)));
    for (let step = await first; step.done !== true; step = await batches.next()) {
      for (const event of step.value) if (event.type === "delete") cache.delete(event.key);
      if (cache.size === 100) end.abort();
    }
    // The same from another server's point of view, which begins after the deletions.
    const late = await open();
    const events = await readEvents(late, "/pod/", { from: revision + 1, count: deletions.length });
    assert.deepEqual(
      new Set(events.map((event) => `${event.type} ${event.key}`)),
      new Set(deletions.map((index) => `delete /pod/${index}`)),
    );
    await late.compact(await late.revision());
    await late.close();
    const last = await open();
    await assert.rejects(readEvents(last, "/pod/", { from: revision + 1, count: 1 }), CompactedError);
    assert.deepEqual(new Set((await last.list("/pod/")).items.map((item) => item.key)), cache);
    await last.close();
    await store.close();
  });

  it("kine#61: an object that nobody touches stays, however often everything around it is written and compacted", async () => {
    const open = newStore();
    let store = await open();
    const quiet = await put(store, "/quiet", "here");
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 40; index++) await put(store, `/busy/${index % 3}`, String(index));
      await store.compact((await store.revision()) - (round % 2));
      const found = await store.get("/quiet");
      assert.deepEqual([found?.modRevision, found?.version, text(found?.value)], [quiet, 1, "here"]);
      assert.deepEqual(
        (await store.list("/")).items.map((item) => item.key),
        ["/busy/0", "/busy/1", "/busy/2", "/quiet"],
      );
      await store.close();
      store = await open();
    }
    assert.equal((await store.put("/quiet", bytes("x"), { expected: quiet })).written, true);
    await store.close();
  });
}
