// The drill: objects, a backup of the running server, the database destroyed, the restore, everything as it was.

import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ConfigMap, isStatus, type ObjectMeta } from "@vivarium/api";
import type { ApiClient } from "@vivarium/client";
import { EtcdServer, whyNoEtcd } from "@vivarium/store";
import { VivProcess } from "../testing/viv-process.ts";

const namespace = "default";

async function create(client: ApiClient, name: string): Promise<ConfigMap> {
  const metadata = { namespace, name };
  return client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { name } });
}

async function all(client: ApiClient): Promise<readonly ConfigMap[]> {
  return (await client.list(ConfigMap, { namespace })).items;
}

/** What has to be the same whatever the store does with its revisions. */
function lasting(items: readonly ConfigMap[]): unknown[] {
  return items.map(({ metadata: { resourceVersion: _version, ...metadata }, ...rest }) => ({ metadata, ...rest }));
}

function inWriteOrder(items: readonly ConfigMap[]): (string | undefined)[] {
  const order = (metadata: ObjectMeta): number => Number(metadata.resourceVersion);
  return items.toSorted((a, b) => order(a.metadata) - order(b.metadata)).map((item) => item.metadata.name);
}

async function isExpired(client: ApiClient, resourceVersion: string): Promise<boolean> {
  const end = new AbortController();
  try {
    const watch = client.watch(ConfigMap, { namespace, resourceVersion, signal: end.signal });
    await watch[Symbol.asyncIterator]().next();
    return false;
  } catch (error) {
    return isStatus(error, "Expired");
  } finally {
    end.abort();
  }
}

describe("backup and restore", () => {
  const server = new VivProcess();
  const file = join(server.stateDir, "saved.vivarium-backup");
  after(() => server[Symbol.asyncDispose]());

  test("a backup of a running server brings back every object with its uid and resourceVersion; watches from before list again", async () => {
    await server.start();
    let client = await server.client();
    for (const name of ["c", "a", "b"]) await create(client, name);
    await client.mergePatch(ConfigMap, { namespace, name: "a" }, { data: { name: "changed" } });
    const saved = await client.list(ConfigMap, { namespace });
    const made = await server.viv(["server", "backup", file]);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /objects of \d+ kinds, at revision \d+, read back and whole/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await create(client, "lost");
    const seen = (await client.list(ConfigMap, { namespace })).resourceVersion;
    await client.close();
    await server.stop("SIGKILL");

    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(server.stateDir, `vivarium.db${suffix}`), { force: true });
    const restored = await server.viv(["server", "restore", file]);
    assert.equal(restored.code, 0, restored.stderr);
    await server.start();
    client = await server.client();
    const { items, resourceVersion } = await client.list(ConfigMap, { namespace });
    assert.deepEqual(items, saved.items);
    assert.ok(Number(resourceVersion) > Number(seen), "resourceVersions do not go back");
    assert.ok(await isExpired(client, seen), "who watched is told to list again");
    const next = await create(client, "next");
    assert.ok(Number(next.metadata.resourceVersion) > Number(seen));
    await client.close();
  });

  test("a running server and objects that are there are not replaced", async () => {
    const running = await server.viv(["server", "restore", file, "--force"]);
    assert.equal(running.code, 4);
    assert.match(running.stderr, /A server runs on/);
    await server.stop();
    const present = await server.viv(["server", "restore", file]);
    assert.equal(present.code, 4);
    assert.match(present.stderr, /objects in .* already/);
    const forced = await server.viv(["server", "restore", file, "--force"]);
    assert.equal(forced.code, 0, forced.stderr);
    assert.match(forced.stderr, /kept what was there as .*vivarium\.db\.before-restore-/);
    await server.start();
    const client = await server.client();
    assert.deepEqual(
      (await all(client)).map((item) => item.metadata.name),
      ["a", "b", "c"],
    );
    await client.close();
    await server.stop();
  });

  test("a damaged backup is refused, wherever it is damaged", async () => {
    const good = readFileSync(file);
    const bad = join(server.stateDir, "damaged");
    const manifestEnd = good.indexOf(0x0a);
    const flipped = (at: number): Buffer => {
      const copy = Buffer.from(good);
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
      return copy;
    };
    const damages = [
      good.subarray(0, good.length - 1),
      good.subarray(0, manifestEnd + 20),
      good.subarray(0, 40),
      flipped(good.length - 5),
      flipped(manifestEnd + 30),
      Buffer.concat([good, Buffer.from("x")]),
      Buffer.from("something else\n"),
    ];
    for (const damage of damages) {
      writeFileSync(bad, damage);
      const refused = await server.viv(["server", "restore", bad, "--force"]);
      assert.equal(refused.code, 5, refused.stderr);
    }
  });
});

describe("moving to etcd", { skip: whyNoEtcd() }, () => {
  const server = new VivProcess();
  after(() => server[Symbol.asyncDispose]());

  test("every object keeps its uid and its place in the order of resourceVersions, and none of these goes back", async (t) => {
    await using etcd = await EtcdServer.start();
    const store = ["--etcd-endpoints", etcd.endpoint];
    await server.start();
    let client = await server.client();
    for (const name of ["c", "a", "d", "b"]) await create(client, name);
    await client.mergePatch(ConfigMap, { namespace, name: "a" }, { data: { name: "changed" } });
    await client.delete(ConfigMap, { namespace, name: "d" });
    const before = await client.list(ConfigMap, { namespace });
    await client.close();
    const refused = await server.viv(["server", "migrate-store", "--to", "etcd", ...store]);
    assert.match(refused.stderr, /A server runs on/);
    await server.stop();

    const moved = await server.viv(["server", "migrate-store", "--to", "etcd", ...store]);
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stdout, /objects are in etcd, read back and the same/);
    const again = await server.viv(["server", "migrate-store", "--to", "etcd", ...store]);
    assert.equal(again.code, 4, "objects that are there are not overwritten");

    const shared = new VivProcess({ stateDir: server.stateDir, arguments: ["--store", "etcd", ...store] });
    t.after(() => shared.stop("SIGKILL"));
    await shared.start();
    client = await shared.client();
    const found = await client.list(ConfigMap, { namespace });
    assert.deepEqual(lasting(found.items), lasting(before.items));
    assert.deepEqual(inWriteOrder(found.items), inWriteOrder(before.items));
    for (const item of found.items)
      assert.ok(Number(item.metadata.resourceVersion) > Number(before.resourceVersion), "no resourceVersion goes back");
    assert.ok(await isExpired(client, before.resourceVersion));

    const file = join(server.stateDir, "from-etcd");
    const saved = await shared.viv(["server", "backup", file, "--store", "etcd", ...store]);
    assert.equal(saved.code, 0, saved.stderr);
    const running = await shared.viv([
      "server",
      "restore",
      file,
      "--force",
      "--store",
      "etcd",
      ...store,
      "--state-dir",
      `${server.stateDir}/other`,
    ]);
    assert.match(running.stderr, /Servers run on these objects/);
    await create(client, "lost");
    await client.close();
    await shared.stop();
    const restored = await shared.viv(["server", "restore", file, "--force", "--store", "etcd", ...store]);
    assert.equal(restored.code, 0, restored.stderr);
    await shared.start();
    client = await shared.client();
    assert.deepEqual(lasting(await all(client)), lasting(before.items));
    await client.close();
    await shared.stop();
  });
});
