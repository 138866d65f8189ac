// What a cluster may do besides storing: ask for a password, run out of space, be compacted, restart.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Client, credentials } from "@grpc/grpc-js";
import { bytes, put, readEvents, text } from "../store-conformance.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import { EtcdServer, whyNoEtcd } from "./etcd-server.ts";
import { openEtcdStore } from "./etcd-store.ts";

describe("an etcd cluster", { skip: whyNoEtcd(), concurrency: true }, () => {
  it("with users lets in who has the password, and goes on after it forgot the token", async () => {
    await using server = await EtcdServer.start();
    await enableAuthentication(server.endpoint, "secret");
    const endpoints = [server.endpoint];
    const wrong = { name: "root", password: "wrong" };
    await assert.rejects(
      openEtcdStore({ endpoints, user: wrong, requestTimeoutMs: 2_000 }),
      (error) => error instanceof StoreError && error.code === "unavailable",
    );
    await assert.rejects(
      openEtcdStore({ endpoints }),
      (error) => error instanceof StoreError && error.code !== "closed",
    );
    const store = await openEtcdStore({ endpoints, user: { name: "root", password: "secret" } });
    const first = await put(store, "/a", "1");
    await server.kill();
    server.run();
    // A read is tried again until the cluster is back; a write is not.
    assert.equal(text((await store.get("/a"))?.value), "1");
    const reading = readEvents(store, "/", { from: first, count: 2 });
    await put(store, "/a", "2");
    assert.equal((await reading).length, 2);
    await store.close();
  });

  it("without space refuses writes as full, and is read and watched on", async () => {
    await using server = await EtcdServer.start({ arguments: ["--quota-backend-bytes", String(4 * 1024 * 1024)] });
    const store = await openEtcdStore({ endpoints: [server.endpoint], compactionIntervalMs: 0 });
    const first = await put(store, "/a", "1");
    const value = bytes("x".repeat(200_000));
    const failure = await failureOf(async () => {
      for (let index = 0; index < 100; index++) await store.put(`/big/${index}`, value);
    });
    assert.ok(failure instanceof StoreError && failure.code === "full", String(failure));
    assert.equal(text((await store.get("/a"))?.value), "1");
    assert.equal((await readEvents(store, "/", { from: first, count: 1 }))[0]?.revision, first);
    await store.close();
  });

  it("is compacted by one of its servers, every interval, to where it was an interval ago", async () => {
    await using server = await EtcdServer.start();
    const options = { endpoints: [server.endpoint], compactionIntervalMs: 200 };
    const stores = [await openEtcdStore(options), await openEtcdStore(options)];
    const [store = await openEtcdStore(options)] = stores;
    const old = await put(store, "/a", "0");
    const end = Date.now() + 20_000;
    let isCompacted = false;
    for (let index = 1; !isCompacted; index++) {
      assert.ok(Date.now() < end, "compacted within 20 s");
      await put(store, "/a", String(index));
      await new Promise((resolve) => setTimeout(resolve, 20));
      isCompacted = await store.list("/", { revision: old }).then(
        () => false,
        (error: unknown) => error instanceof CompactedError,
      );
    }
    // What is young stays.
    const young = await put(store, "/a", "young");
    assert.equal((await store.list("/", { revision: young })).items.length, 1);
    await Promise.all(stores.map((each) => each.close()));
  });

  it("at rest is not written to", async () => {
    await using server = await EtcdServer.start();
    const store = await openEtcdStore({ endpoints: [server.endpoint], compactionIntervalMs: 50 });
    await put(store, "/a", "1");
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = await store.revision();
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(await store.revision(), before);
    await store.close();
  });
});

async function failureOf(action: () => Promise<void>): Promise<unknown> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A user `root` with this password, who may do everything. */
async function enableAuthentication(endpoint: string, password: string): Promise<void> {
  const client = new Client(new URL(endpoint).host, credentials.createInsecure());
  const call = (method: string, ...fields: readonly string[]): Promise<void> => {
    const writer = new BinaryWriter();
    fields.forEach((field, index) => writer.tag(index + 1, WireType.LengthDelimited).string(field));
    const request = Buffer.from(writer.finish());
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(`/etcdserverpb.Auth/${method}`, same, same, request, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  };
  await new Promise<void>((resolve, reject) =>
    client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error))),
  );
  await call("UserAdd", "root", password);
  await call("RoleAdd", "root");
  await call("UserGrantRole", "root", "root");
  await call("AuthEnable");
  client.close();
}
