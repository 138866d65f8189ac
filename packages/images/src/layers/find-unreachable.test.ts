import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { findUnreachable } from "./find-unreachable.ts";

const options = { signal: new AbortController().signal, environment: {}, pauseMs: 0 };

async function serverWith(t: TestContext, status: number): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.writeHead(status).end("x".repeat(100_000));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked };
}

/** A port that was just free. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}/Release`;
}

for (const status of [200, 403, 404]) {
  test(`an answer ${status} is an answer`, async (t) => {
    const { url, asked } = await serverWith(t, status);
    assert.deepEqual(await findUnreachable([url], options), []);
    assert.deepEqual(asked, ["/"]);
  });
}

test("nobody there is told by URL, with what went wrong, and the others are not", async (t) => {
  const { url } = await serverWith(t, 200);
  const closed = await closedPort();
  const [first, ...rest] = await findUnreachable([url, closed], options);
  assert.equal(first?.url, closed);
  assert.match(first.why, /ECONNREFUSED/);
  assert.deepEqual(rest, []);
});

test("where a proxy is the way out nothing is said", async () => {
  const closed = await closedPort();
  const environment = { HTTPS_PROXY: "http://proxy.example:3128" };
  assert.deepEqual(await findUnreachable([closed], { ...options, environment }), []);
});
