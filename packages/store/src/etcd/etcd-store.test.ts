// The store on a real etcd, which somebody else writes to as well all the time.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { bytes, put, readEvents, remove, storeConformance, text } from "../store-conformance.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import { EtcdServer, whyNoEtcd } from "./etcd-server.ts";
import { EtcdClient } from "./etcd-client.ts";
import { openEtcdStore, type EtcdStoreOptions } from "./etcd-store.ts";

let stores = 0;

describe("etcd", { skip: whyNoEtcd(), concurrency: false }, () => {
  let server: EtcdServer;
  const end = new AbortController();
  let neighbour: Promise<void>;

  function open(options: Partial<EtcdStoreOptions> = {}) {
    return openEtcdStore({ endpoints: [server.endpoint], prefix: `/test-${++stores}`, ...options });
  }

  before(async () => {
    server = await EtcdServer.start();
    neighbour = writeBesides(server.endpoint, end.signal);
  });
  after(async () => {
    end.abort();
    await neighbour;
    await server[Symbol.asyncDispose]();
  });

  storeConformance("etcd", () => open());

  it("keeps objects and history for the next server", async () => {
    const prefix = "/kept";
    const first = await open({ prefix });
    const made = await put(first, "/a", "1");
    const changed = await put(first, "/a", "2");
    await first.close();
    const second = await open({ prefix });
    assert.equal(text((await second.get("/a"))?.value), "2");
    assert.deepEqual(
      (await readEvents(second, "/", { from: made, count: 2 })).map((event) => event.revision),
      [made, changed],
    );
    await second.close();
  });

  it("gives every server the changes of all", async () => {
    const prefix = "/shared";
    const [one, other] = [await open({ prefix }), await open({ prefix })];
    const from = (await one.revision()) + 1;
    const reading = [readEvents(one, "/", { from, count: 40 }), readEvents(other, "/", { from, count: 40 })];
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => put(index % 2 === 0 ? one : other, `/k${index % 7}`, String(index))),
    );
    const [seen, seenByOther] = await Promise.all(reading);
    assert.deepEqual(
      seen?.map((event) => [event.revision, event.key]),
      seenByOther?.map((event) => [event.revision, event.key]),
    );
    await Promise.all([one.close(), other.close()]);
  });

  it("does not take what others keep nearby for objects", async () => {
    const store = await open({ prefix: "/near" });
    const neighbouring = await open({ prefix: "/near2" });
    await put(neighbouring, "/a");
    await put(store, "/b");
    assert.deepEqual(
      (await store.list("")).items.map((item) => item.key),
      ["/b"],
    );
    await Promise.all([store.close(), neighbouring.close()]);
  });

  it("fails a watch from a compacted revision that this server never saw, also where etcd would leave out a deletion", async () => {
    const prefix = "/compacted";
    const first = await open({ prefix });
    await put(first, "/a");
    const deleted = await remove(first, "/a");
    const newest = await put(first, "/b");
    await first.compact(deleted);
    const second = await open({ prefix });
    await assert.rejects(readEvents(second, "/", { from: deleted, count: 1 }), CompactedError);
    assert.equal((await readEvents(second, "/", { from: deleted + 1, count: 1 }))[0]?.revision, newest);
    await Promise.all([first.close(), second.close()]);
  });

  it("takes the next endpoint when one does not answer", async () => {
    const store = await open({ endpoints: ["http://127.0.0.1:1", server.endpoint] });
    await put(store, "/a", "1");
    assert.equal(text((await store.get("/a"))?.value), "1");
    await store.close();
  });

  it("says that no endpoint answers", async () => {
    await assert.rejects(
      open({ endpoints: ["http://127.0.0.1:1"], requestTimeoutMs: 300 }),
      (error) => error instanceof StoreError && error.code === "unavailable" && error.message.includes("127.0.0.1:1"),
    );
  });

  it("says that a value is too large for the cluster", async () => {
    const store = await open();
    await assert.rejects(
      store.put("/a", bytes("x".repeat(5 * 1024 * 1024))),
      (error) => error instanceof StoreError && error.code === "too-large",
    );
    await store.close();
  });

  it("delivers large batches whole, though etcd sends them in fragments", async () => {
    const store = await open();
    const value = "x".repeat(100_000);
    const first = await put(store, "/k0", value);
    for (let index = 1; index < 100; index++) await put(store, `/k${index % 10}`, value);
    const late = await open({ prefix: `/test-${stores}` });
    const events = await readEvents(late, "/", { from: first, count: 100 });
    assert.equal(events.length, 100);
    assert.ok(events.every((event) => event.type === "put" && event.current.value.length === value.length));
    await Promise.all([store.close(), late.close()]);
  });
});

/** Somebody else's writes, so that our revisions have holes. */
async function writeBesides(endpoint: string, signal: AbortSignal): Promise<void> {
  const client = new EtcdClient({ endpoints: [endpoint] });
  while (!signal.aborted) {
    const operation = { put: { key: "/somebody/else", value: bytes("x") } };
    await client.txn({ compare: [], success: [operation], failure: [] });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  client.close();
}
