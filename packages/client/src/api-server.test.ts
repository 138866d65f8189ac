// The client against the real API server over TLS.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { coreKinds, isStatus, kinds, toCustomResourceDefinition, VMClass } from "@vivarium/api";
import { createApiServer, listenHttps } from "@vivarium/apiserver";
import type { Subresource } from "@vivarium/apiserver";
import { openMemoryStore } from "@vivarium/store";
import type { Store } from "@vivarium/store";
import { pino } from "pino";
import type { ApiClient } from "./client.ts";
import { createClient } from "./create-client.ts";
import { httpsTransport } from "./https-transport.ts";
import { testCertificate, testKey } from "./test-certificate.ts";

const key = { namespace: "default", name: "small" };
const small: VMClass = {
  apiVersion: "infra.virtrigaud.io/v1beta1",
  kind: "VMClass",
  metadata: key,
  spec: { cpu: 1, memory: "1Gi" },
};

async function serve(
  t: TestContext,
  options: { readonly subresources?: readonly Subresource[]; readonly store?: Store } = {},
): Promise<ApiClient> {
  const { subresources = [], store = openMemoryStore() } = options;
  const resources = coreKinds.map(toCustomResourceDefinition);
  const definitions = kinds.map(toCustomResourceDefinition);
  const server = await createApiServer({
    store,
    resources,
    definitions,
    subresources,
    logger: pino({ level: "silent" }),
  });
  const listener = await listenHttps(server, {
    host: "127.0.0.1",
    port: 0,
    key: testKey,
    cert: testCertificate,
    authenticate: ({ headers }) =>
      headers["authorization"] === "Bearer secret" ? { name: "test", groups: ["system:masters"] } : undefined,
  });
  const client = createClient(
    httpsTransport({
      server: `https://127.0.0.1:${listener.port}`,
      namespace: "default",
      ca: testCertificate,
      token: "secret",
      isTlsUnverified: false,
    }),
  );
  t.after(async () => {
    await client.close();
    await server.close();
    await listener.close();
    await store.close();
  });
  return client;
}

test("objects are created, read, changed and deleted", async (t) => {
  const client = await serve(t);
  const created = await client.create(VMClass, small);
  const updated = await client.update(VMClass, { ...created, spec: { ...created.spec, cpu: 2 } });
  assert.equal(updated.metadata.generation, 2);
  await assert.rejects(client.update(VMClass, created), (error) => isStatus(error, "Conflict"));
  const withStatus = await client.updateStatus(VMClass, { ...updated, status: { usedByVMs: 3 } });
  assert.equal(withStatus.status?.usedByVMs, 3);
  const patched = await client.mergePatch(VMClass, key, { metadata: { labels: { tier: "web" } } });
  assert.deepEqual(patched.metadata.labels, { tier: "web" });
  const { items } = await client.list(VMClass, { namespace: "default", labelSelector: "tier=web" });
  assert.equal(items[0]?.kind, "VMClass");
  assert.equal((await client.list(VMClass, { labelSelector: "tier=db" })).items.length, 0);
  await assert.rejects(client.delete(VMClass, key, { uid: "another" }), (error) => isStatus(error, "Conflict"));
  await client.delete(VMClass, key);
  await assert.rejects(client.get(VMClass, key), (error) => isStatus(error, "NotFound"));
});

test("an invalid object is refused with every field", async (t) => {
  const client = await serve(t);
  const error = await client
    .create(VMClass, { ...small, spec: { cpu: 0, memory: "lots" } })
    .catch((error: unknown) => error);
  assert.ok(isStatus(error, "Invalid"));
  assert.deepEqual(error.details.causes?.map((cause) => cause.field).sort(), ["spec.cpu", "spec.memory"]);
});

test("a watch gives what happens after the list", async (t) => {
  const client = await serve(t);
  const { resourceVersion } = await client.list(VMClass);
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const event of client.watch(VMClass, { resourceVersion, signal: stop.signal })) {
      if (event.type === "BOOKMARK") continue;
      seen.push(`${event.type} ${event.object.spec.cpu}`);
      if (event.type === "DELETED") stop.abort();
    }
  })();
  await client.create(VMClass, small);
  for (let cpu = 2; cpu <= 10; cpu++) await client.mergePatch(VMClass, key, { spec: { cpu } });
  await client.delete(VMClass, key);
  await watching;
  assert.deepEqual([seen[0], seen.at(-1), seen.length], ["ADDED 1", "DELETED 10", 11]);
});

test("a watch goes on from where another ended, and is Expired where that is too long ago", async (t) => {
  const store = openMemoryStore();
  const client = await serve(t, { store });
  const { resourceVersion } = await client.create(VMClass, small).then(({ metadata }) => metadata);
  const changed = [];
  for (let cpu = 2; cpu <= 12; cpu++) changed.push(await client.mergePatch(VMClass, key, { spec: { cpu } }));
  const before = changed.at(-2)?.metadata.resourceVersion ?? "";
  await store.compact(Number(before));
  await assert.rejects(
    async () => {
      for await (const _ of client.watch(VMClass, { resourceVersion: resourceVersion ?? "" }));
    },
    (error) => isStatus(error, "Expired"),
  );
  for await (const event of client.watch(VMClass, { resourceVersion: before })) {
    assert.ok(event.type === "MODIFIED");
    assert.equal(event.object.spec.cpu, 12);
    break;
  }
});

test("a log is read as it is written, and a console carries bytes both ways", async (t) => {
  const { group, plural } = VMClass;
  const client = await serve(t, {
    subresources: [
      {
        group,
        plural,
        name: "log",
        async get({ query }) {
          async function* body() {
            yield Buffer.from(`tail ${query.get("tailBytes")} `);
            await new Promise((resolve) => setImmediate(resolve));
            yield Buffer.from(`follow ${query.get("follow")}`);
          }
          return { status: 200, headers: { "content-type": "text/plain" }, body: body() };
        },
      },
      {
        group,
        plural,
        name: "console",
        async connect({ key }) {
          return async (socket) => {
            await socket.write(Buffer.from(`${key.name}:`));
            for await (const bytes of socket.output) {
              await socket.write(bytes);
              if (Buffer.from(bytes).includes("!")) return;
            }
          };
        },
      },
    ],
  });
  await client.create(VMClass, small);
  const log: Uint8Array[] = [];
  for await (const bytes of await client.openLog(VMClass, key, { tailBytes: 5, follow: true })) log.push(bytes);
  assert.equal(Buffer.concat(log).toString(), "tail 5 follow true");
  const stream = await client.openConsole(VMClass, key);
  await stream.write(Buffer.from("hello!"));
  const output: Uint8Array[] = [];
  for await (const bytes of stream.output) output.push(bytes);
  assert.equal(Buffer.concat(output).toString(), "small:hello!");
  await assert.rejects(client.openConsole(VMClass, { ...key, name: "absent" }), (error) => isStatus(error, "NotFound"));
});
