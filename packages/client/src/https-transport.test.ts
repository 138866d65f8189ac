import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { isStatus } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import { WebSocketServer } from "ws";
import { ConnectionError } from "./connection-error.ts";
import { createClient } from "./create-client.ts";
import { httpsTransport } from "./https-transport.ts";
import type { Cluster } from "./kubeconfig.ts";
import { testCertificate, testKey } from "./test-certificate.ts";

interface Thing extends KubeObject {
  data?: Record<string, string>;
}
const things: ResourceType<Thing> = {
  group: "example.dev",
  version: "v1",
  kind: "Thing",
  plural: "things",
  namespaced: true,
};

test("an object is read over TLS with the CA and the token of the cluster", async (t) => {
  const seen: string[] = [];
  const cluster = await serveTls(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.end(JSON.stringify({ apiVersion: "example.dev/v1", kind: "Thing", metadata: { name: "a" } }));
  });
  const client = clientOf(t, { ...cluster, ca: testCertificate, token: "secret" });
  const thing = await client.get(things, { namespace: "default", name: "a" });
  assert.equal(thing.metadata.name, "a");
  assert.deepEqual(seen, ["GET /apis/example.dev/v1/namespaces/default/things/a Bearer secret"]);
});

test("a server whose certificate is not the cluster's is Untrusted", async (t) => {
  const cluster = await serveTls(t, (_request, response) => response.end("{}"));
  await assert.rejects(clientOf(t, cluster).list(things), isConnectionError("Untrusted"));
});

test("a port where nobody listens is Refused, with what to do", async (t) => {
  const cluster = await serve(t, () => {});
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const client = clientOf(t, { ...cluster, server: `http://127.0.0.1:${port}` });
  await assert.rejects(client.list(things), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.code, "Refused");
    assert.match(error.message, /viv server/);
    return true;
  });
});

test("a Status body becomes a StatusError of its reason", async (t) => {
  const cluster = await serve(t, (_request, response) => {
    response.writeHead(409, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", reason: "Conflict", message: "it changed", code: 409 }));
  });
  const error = await clientOf(t, cluster)
    .update(things, thingNamed("a"))
    .catch((error: unknown) => error);
  assert.ok(isStatus(error, "Conflict"));
  assert.equal(error.message, "it changed");
});

test("an answer that is no Status still becomes a StatusError, by its HTTP code", async (t) => {
  const cluster = await serve(t, (_request, response) => {
    response.writeHead(503);
    response.end("busy");
  });
  const error = await clientOf(t, cluster)
    .get(things, { namespace: "default", name: "a" })
    .catch((error: unknown) => error);
  assert.ok(isStatus(error, "ServiceUnavailable"));
});

test("an answer that does not come in time is a Timeout", async (t) => {
  const cluster = await serve(t, () => {});
  await assert.rejects(clientOf(t, cluster, { timeoutMs: 30 }).list(things), isConnectionError("Timeout"));
});

test("an answer whose body stalls is a Timeout", async (t) => {
  const cluster = await serve(t, (_request, response) => void response.write("{"));
  await assert.rejects(clientOf(t, cluster, { timeoutMs: 30 }).list(things), isConnectionError("Timeout"));
});

test("a watch outlives the deadline of other calls, joins cut lines and ends with the server's end", async (t) => {
  const cluster = await serve(t, (request, response) => {
    assert.match(request.url ?? "", /watch=true/);
    const lines = [
      { type: "ADDED", object: thingNamed("ä") },
      { type: "BOOKMARK", object: { metadata: { resourceVersion: "7" } } },
    ]
      .map((event) => `${JSON.stringify(event)}\n`)
      .join("");
    const bytes = Buffer.from(lines);
    // Cuts inside the two bytes of "ä".
    const cut = bytes.indexOf(0xc3) + 1;
    response.write(bytes.subarray(0, cut));
    setTimeout(() => response.end(bytes.subarray(cut)), 60);
  });
  const events = await all(
    clientOf(t, cluster, { timeoutMs: 30 }).watch(things, { resourceVersion: "1", namespace: "default" }),
  );
  assert.deepEqual(
    events.map((event) => (event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.name)),
    ["ä", "7"],
  );
});

test("an ERROR event of a watch is thrown", async (t) => {
  const cluster = await serve(t, (_request, response) => {
    response.end(`${JSON.stringify({ type: "ERROR", object: { kind: "Status", reason: "Expired", code: 410 } })}\n`);
  });
  const watch = all(clientOf(t, cluster).watch(things, { resourceVersion: "1" }));
  await assert.rejects(watch, (error) => isStatus(error, "Expired"));
});

test("an aborted watch ends without an error", async (t) => {
  const cluster = await serve(t, (_request, response) => void response.write("\n"));
  const controller = new AbortController();
  const watch = all(clientOf(t, cluster).watch(things, { resourceVersion: "1", signal: controller.signal }));
  setTimeout(() => controller.abort(), 30);
  assert.deepEqual(await watch, []);
});

test("a watch whose connection breaks is Broken", async (t) => {
  const cluster = await serve(t, (request, response) => {
    response.write("\n");
    setTimeout(() => request.socket.destroy(), 20);
  });
  const watch = all(clientOf(t, cluster).watch(things, { resourceVersion: "1" }));
  await assert.rejects(watch, isConnectionError("Broken"));
});

test("warnings reach the caller", async (t) => {
  const cluster = await serve(t, (_request, response) => {
    response.setHeader("warning", ['299 - "unknown field \\"spec.x\\""', '299 - "second"']);
    response.end(JSON.stringify(thingNamed("a")));
  });
  const warnings: string[] = [];
  await clientOf(t, cluster).create(things, thingNamed("a"), { onWarning: (message) => warnings.push(message) });
  assert.deepEqual(warnings, ['unknown field "spec.x"', "second"]);
});

test("a kept connection that the server closed is replaced for a GET", async (t) => {
  let requests = 0;
  const cluster = await serve(t, (request, response) => {
    requests += 1;
    if (requests === 2) request.socket.resetAndDestroy();
    else response.end(JSON.stringify(thingNamed("a")));
  });
  const client = clientOf(t, cluster);
  await client.get(things, { namespace: "default", name: "a" });
  await client.get(things, { namespace: "default", name: "a" });
  assert.equal(requests, 3);
});

test("a console carries bytes both ways, and says why when it is refused", async (t) => {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    if (request.url?.includes("/things/off/") === true) {
      const body = JSON.stringify({ kind: "Status", reason: "Conflict", message: "it is off", code: 409 });
      socket.end(`HTTP/1.1 409 Conflict\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
      return;
    }
    assert.equal(request.headers.authorization, "Bearer secret");
    sockets.handleUpgrade(request, socket, head, (ws) => ws.on("message", (data: Buffer) => ws.send(data)));
  });
  const cluster = await listen(t, server, "http");
  const client = clientOf(t, { ...cluster, token: "secret" });
  const stream = await client.openConsole(things, { namespace: "default", name: "a" });
  await stream.write(Buffer.from("hello"));
  const [first] = await all(take(stream.output, 1));
  assert.equal(Buffer.from(first ?? []).toString(), "hello");
  await stream.close();
  await assert.rejects(client.openConsole(things, { namespace: "default", name: "off" }), (error) => {
    assert.ok(isStatus(error, "Conflict"));
    assert.equal(error.message, "it is off");
    return true;
  });
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function* take<T>(source: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let left = count;
  for await (const item of source) {
    yield item;
    left -= 1;
    if (left === 0) return;
  }
}

function thingNamed(name: string): Thing {
  return { apiVersion: "example.dev/v1", kind: "Thing", metadata: { name, namespace: "default" } };
}

function isConnectionError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ConnectionError && error.code === code;
}

function clientOf(t: TestContext, cluster: Cluster, options: { timeoutMs?: number } = {}) {
  const client = createClient(httpsTransport(cluster, options));
  t.after(() => client.close());
  return client;
}

function serve(t: TestContext, listener: RequestListener): Promise<Cluster> {
  return listen(t, createServer(listener), "http");
}

function serveTls(t: TestContext, listener: RequestListener): Promise<Cluster> {
  return listen(t, createTlsServer({ cert: testCertificate, key: testKey }, listener), "https");
}

async function listen(t: TestContext, server: ReturnType<typeof createServer>, scheme: string): Promise<Cluster> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { server: `${scheme}://127.0.0.1:${port}`, namespace: "default", isTlsUnverified: false };
}
