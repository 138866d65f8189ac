// Objects of another store in etcd: whole and in order however often the import was killed, and a store like any other afterwards.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { BackupError } from "../backup/backup-error.ts";
import { digestOf, readSnapshot } from "../backup/snapshot.ts";
import { put, readEvents, storeConformance } from "../store-conformance.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import { EtcdServer, whyNoEtcd } from "./etcd-server.ts";
import { importedSnapshot } from "./imported-snapshot.ts";
import { importIntoEtcd, openEtcdStore } from "./open-etcd-store.ts";

let prefixes = 0;

describe("an import into etcd", { skip: whyNoEtcd(), concurrency: false }, () => {
  let server: EtcdServer;
  before(async () => {
    server = await EtcdServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  const connection = () => ({ endpoints: [server.endpoint], prefix: `/import-${++prefixes}` });
  const floor = importedSnapshot.revision;

  it("killed again and again, brings every object once, in the order of their revisions", async () => {
    const to = connection();
    const script = fileURLToPath(import.meta.resolve("./import-process.ts"));
    let kills = 0;
    for (let isDone = false; !isDone;) {
      const child = spawn(process.execPath, [script, to.endpoints[0] ?? "", to.prefix], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      let steps = 0;
      for await (const _ of createInterface({ input: child.stdout })) {
        if (++steps === 61 + kills * 17) child.kill("SIGKILL");
      }
      await exited;
      isDone = child.exitCode === 0;
      assert.ok(isDone || child.signalCode === "SIGKILL", `ended with ${child.exitCode}`);
      if (isDone) break;
      kills++;
      const early = await openEtcdStore(to).then(
        () => "opened",
        (error: unknown) => error,
      );
      assert.ok(early instanceof StoreError, "no server starts on half of the objects");
    }
    assert.ok(kills > 1, "it was killed on the way");
    const store = await openEtcdStore(to);
    const found = await readSnapshot(store);
    assert.equal(digestOf(found.items), digestOf(importedSnapshot.items));
    assert.ok(found.items.every((item) => item.modRevision > floor));
    await store.close();
  });

  it("ends every watch and every page from the store before", async () => {
    const to = connection();
    await importIntoEtcd(importedSnapshot, { connection: to, floor });
    const store = await openEtcdStore(to);
    for (const from of [1, 2_000, floor, floor + 1, floor + 50])
      await assert.rejects(readEvents(store, "/", { from, count: 1 }), CompactedError);
    await assert.rejects(store.list("/", { revision: floor }), CompactedError);
    const { revision, items } = await store.list("/", { limit: 10 });
    assert.equal(
      (await store.list("/", { limit: 10, revision, startAfter: items.at(-1)?.key ?? "" })).items.length,
      10,
    );
    const made = await put(store, "/registry/core/configmaps/default/new");
    assert.equal((await readEvents(store, "/", { from: revision + 1, count: 1 }))[0]?.revision, made);
    await store.close();
  });

  it("refuses to mix objects of two sources, and replaces them only when told to, with revisions going on", async () => {
    const to = connection();
    await importIntoEtcd(importedSnapshot, { connection: to, floor });
    const first = await openEtcdStore(to);
    const before = await first.revision();
    await first.close();
    const other = { revision: 10, items: importedSnapshot.items.slice(5, 20) };
    await assert.rejects(
      importIntoEtcd(other, { connection: to, floor: 10 }),
      (error) => error instanceof BackupError && error.code === "not-empty",
    );
    await importIntoEtcd(other, { connection: to, floor: 10, replaces: true });
    const store = await openEtcdStore(to);
    assert.equal(digestOf((await readSnapshot(store)).items), digestOf(other.items));
    assert.ok((await store.revision()) > before);
    await store.close();
  });

  storeConformance("etcd after an import", async () => {
    const to = connection();
    await importIntoEtcd({ revision: floor, items: [] }, { connection: to, floor });
    return openEtcdStore(to);
  });
});
