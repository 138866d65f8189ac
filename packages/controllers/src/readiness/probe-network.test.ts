// Real sockets on loopback.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { test, type TestContext } from "node:test";
import { probeHttp, probeTcp } from "./probe-network.ts";

const host = "127.0.0.1";
const soon = () => AbortSignal.timeout(60_000);

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, host);
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(t: TestContext): Promise<number> {
  const server = createServer();
  const port = await listen(t, server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("a port that accepts connections is a success, one that refuses is a failure that says so", async (t) => {
  const port = await listen(t, createServer());
  assert.deepEqual(await probeTcp({ host, port }, { signal: soon() }), {
    kind: "success",
    reason: "Connected",
    message: `127.0.0.1:${port} accepts connections`,
  });
  const closed = await freePort(t);
  assert.deepEqual(await probeTcp({ host, port: closed }, { signal: soon() }), {
    kind: "failure",
    reason: "ConnectionRefused",
    message: `cannot connect to 127.0.0.1:${closed}: ECONNREFUSED`,
  });
});

test("a status from 200 to 399 is a success, another is a failure; path and headers are sent", async (t) => {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(`${request.url} ${String(request.headers["x-role"])}`);
    response.writeHead(Number(request.url?.slice(1, 4)) || 200).end("body");
  });
  const port = await listen(t, server);
  const tryStatus = async (path?: string) =>
    probeHttp(
      { host, port, ...(path === undefined ? {} : { path }), httpHeaders: [{ name: "X-Role", value: "web" }] },
      { signal: soon() },
    );
  assert.equal((await tryStatus()).kind, "success");
  assert.equal((await tryStatus("302")).kind, "success");
  assert.deepEqual(await tryStatus("/503"), {
    kind: "failure",
    reason: "HttpStatus",
    message: `http://127.0.0.1:${port}/503 answers 503`,
  });
  assert.deepEqual(seen, ["/ web", "/302 web", "/503 web"]);
});

test("who accepts a connection and never answers fails when the time is over", async (t) => {
  const sockets: { destroy(): void }[] = [];
  const port = await listen(
    t,
    createServer((socket) => sockets.push(socket)),
  );
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const outcome = await probeHttp({ host, port }, { signal: AbortSignal.timeout(50) });
  assert.deepEqual([outcome.kind, outcome.reason], ["failure", "TimedOut"]);
});

test("what is no HTTP is a failure, not an error", async (t) => {
  const port = await listen(
    t,
    createServer((socket) => socket.end("220 mail\r\n")),
  );
  const outcome = await probeHttp({ host, port }, { signal: soon() });
  assert.deepEqual([outcome.kind, outcome.reason], ["failure", "ConnectionFailed"]);
});
