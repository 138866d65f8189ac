// Several servers over one etcd: each serves all objects, one acts, and another takes over.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigMap, Lease } from "@vivarium/api";
import { EtcdServer, whyNoEtcd } from "@vivarium/store";
import { VivProcess } from "../testing/viv-process.ts";

const key = { namespace: "vivarium-system", name: "viv-controllers" };

describe("several servers over one etcd", { skip: whyNoEtcd(), concurrency: false }, () => {
  let etcd: EtcdServer;
  let one: VivProcess;
  let other: VivProcess;

  before(async () => {
    etcd = await EtcdServer.start();
    const store = ["--store", "etcd", "--etcd-endpoints", etcd.endpoint];
    one = new VivProcess({ arguments: store });
    other = new VivProcess({ arguments: store });
    await one.start();
    await other.start();
  });
  after(async () => {
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await etcd[Symbol.asyncDispose]();
  });

  const leaders = (): readonly boolean[] => [one, other].map((server) => isLeading(server));

  test("what is written through one is read and watched through the other", async () => {
    const [writer, reader] = [await one.client(), await other.client()];
    const { resourceVersion } = await reader.list(ConfigMap, { namespace: "default" });
    const end = new AbortController();
    const watch = reader.watch(ConfigMap, { namespace: "default", resourceVersion, signal: end.signal });
    const first = watch[Symbol.asyncIterator]().next();
    const made = await writer.create(ConfigMap, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "default", name: "shared" },
      data: { a: "1" },
    });
    const event = (await first).value;
    assert.deepEqual(event?.type === "ADDED" && event.object, made);
    assert.deepEqual(await reader.get(ConfigMap, made.metadata), made);
    end.abort();
    await Promise.all([writer.close(), reader.close()]);
  });

  test("one leads, and hands over to the other when it ends", async () => {
    await eventually(() => leaders().filter(Boolean).length === 1);
    const [leader, standby] = isLeading(one) ? [one, other] : [other, one];
    const client = await standby.client();
    const before = (await client.get(Lease, key)).spec?.holderIdentity;
    assert.equal(await leader.stop(), 0);
    await eventually(() => isLeading(standby));
    assert.notEqual((await client.get(Lease, key)).spec?.holderIdentity, before);
    await client.close();
    await leader.start();
  });

  test("etcd may restart under them: they serve again, and one leads", async () => {
    await etcd.kill();
    etcd.run();
    const client = await one.client();
    await eventually(async () => {
      const found = await client.get(ConfigMap, { namespace: "default", name: "shared" }).catch(() => undefined);
      return found?.data?.["a"] === "1";
    });
    await client.close();
    await eventually(() => leaders().filter(Boolean).length === 1);
  });
});

function isLeading(server: VivProcess): boolean {
  const last = server.log.findLast((entry) => /^(leading|no longer the leader|serving)/.test(String(entry["msg"])));
  return String(last?.["msg"]).startsWith("leading");
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, "not so within 30 s");
    await delay(50);
  }
}
