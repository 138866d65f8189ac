// The tables of https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions, row by row.

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { describe, test } from "node:test";
import { listOf, openTestServer, shown, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";

/** `old` is the revision at which there was only one of the two widgets. */
async function twoWidgets(): Promise<TestServer & { readonly old: number; readonly newest: number }> {
  const server = await openTestServer();
  await server.call("POST", widgetsPath, { body: widget("a") });
  const old = await server.store.revision();
  await server.call("POST", widgetsPath, { body: widget("b") });
  return { ...server, old, newest: await server.store.revision() };
}

describe("a list", () => {
  for (const [query, count] of [
    ["", 2],
    ["resourceVersion=0", 2],
    ["resourceVersion=OLD", 2],
    ["limit=5", 2],
    ["limit=5&resourceVersion=0", 2],
    ["limit=5&resourceVersion=OLD", 1],
    ["resourceVersion=OLD&resourceVersionMatch=Exact", 1],
    ["limit=5&resourceVersion=OLD&resourceVersionMatch=Exact", 1],
    ["resourceVersion=0&resourceVersionMatch=NotOlderThan", 2],
    ["resourceVersion=OLD&resourceVersionMatch=NotOlderThan", 2],
    ["limit=5&resourceVersion=OLD&resourceVersionMatch=NotOlderThan", 2],
  ] as const)
    test(`with "${query}" shows ${count === 1 ? "the state of then" : "the newest state"}`, async () => {
      const { call, old, newest } = await twoWidgets();
      const { status, body } = await call("GET", `${widgetsPath}?${query.replace("OLD", String(old))}`);
      assert.equal(status, 200);
      assert.equal(listOf(body["items"]).length, count);
      assert.equal(body["metadata"]?.["resourceVersion"], String(count === 1 ? old : newest));
    });

  for (const [query, message] of [
    ["resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"],
    ["resourceVersionMatch=NotOlderThan", "resourceVersionMatch is forbidden unless resourceVersion is provided"],
    [
      "resourceVersion=0&resourceVersionMatch=Exact",
      'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ],
    ["resourceVersion=1&resourceVersionMatch=Any", 'supported values: "Exact", "NotOlderThan", ""'],
    ["resourceVersion=1&resourceVersionMatch=Exact&continue=x", "resourceVersionMatch is forbidden when continue"],
    ["sendInitialEvents=true", "sendInitialEvents is forbidden for list"],
  ] as const)
    test(`with "${query}" is 422`, async () => {
      const { call } = await twoWidgets();
      const { status, body } = await call("GET", `${widgetsPath}?${query}`);
      assert.deepEqual([status, body["reason"]], [422, "Invalid"]);
      assert.ok(shown(body["message"]).includes(message), shown(body["message"]));
      assert.ok(shown(body["message"]).startsWith('ListOptions.meta.k8s.io "" is invalid: '));
    });

  test("of a revision that is not reached yet is 504 that says when to ask again, as for a single object", async () => {
    const { call, newest } = await twoWidgets();
    for (const path of [`${widgetsPath}?`, `${widgetsPath}?limit=5&`, `${widgetsPath}/a?`]) {
      const { status, headers, body } = await call("GET", `${path}resourceVersion=${newest + 5}`);
      assert.deepEqual([status, body["reason"], headers["retry-after"]], [504, "Timeout", "1"]);
      assert.equal(listOf(body["details"]?.["causes"])[0]?.["reason"], "ResourceVersionTooLarge");
    }
  });

  test("tells how many objects remain, but not with selectors", async () => {
    const { call } = await twoWidgets();
    for (const name of ["c", "d", "e"]) await call("POST", widgetsPath, { body: widget(name) });
    const first = await call("GET", `${widgetsPath}?limit=2`);
    assert.equal(first.body["metadata"]?.["remainingItemCount"], 3);
    const second = await call("GET", `${widgetsPath}?limit=2&continue=${shown(first.body["metadata"]?.["continue"])}`);
    assert.equal(second.body["metadata"]?.["remainingItemCount"], 1);
    const last = await call("GET", `${widgetsPath}?limit=2&continue=${shown(second.body["metadata"]?.["continue"])}`);
    assert.deepEqual(Object.keys(last.body["metadata"] ?? {}), ["resourceVersion"]);
    const selected = await call("GET", `${widgetsPath}?limit=2&fieldSelector=metadata.name!=a`);
    assert.deepEqual(Object.keys(selected.body["metadata"] ?? {}), ["resourceVersion", "continue"]);
  });

  test("a continue token goes with no resourceVersion", async () => {
    const { call, old } = await twoWidgets();
    const first = await call("GET", `${widgetsPath}?limit=1`);
    const token = shown(first.body["metadata"]?.["continue"]);
    assert.equal((await call("GET", `${widgetsPath}?continue=${token}&resourceVersion=${old}`)).status, 400);
    assert.equal((await call("GET", `${widgetsPath}?continue=${token}&resourceVersion=0`)).status, 200);
  });

  test("that compaction overtook is 410 with a token that goes on with what is there now", async () => {
    const { call, store } = await twoWidgets();
    const first = await call("GET", `${widgetsPath}?limit=1`);
    await call("POST", widgetsPath, { body: widget("c") });
    await store.compact(await store.revision());
    const lost = await call("GET", `${widgetsPath}?limit=1&continue=${shown(first.body["metadata"]?.["continue"])}`);
    assert.deepEqual([lost.status, lost.body["reason"]], [410, "Expired"]);
    const rest = await call("GET", `${widgetsPath}?continue=${shown(lost.body["metadata"]?.["continue"])}`);
    assert.deepEqual(
      listOf(rest.body["items"]).map((item) => item["metadata"]?.["name"]),
      ["b", "c"],
    );
  });

  test("of many objects comes in blocks, compressed where it is asked for", async () => {
    const { call, send } = await twoWidgets();
    const metadata = { annotations: { big: "x".repeat(100_000) } };
    for (let index = 0; index < 6; index++)
      await call("POST", widgetsPath, { body: widget(`w${index}`, { metadata }) });
    const plain = await bytesOf(await send("GET", widgetsPath));
    const response = await send("GET", widgetsPath, { headers: { "accept-encoding": "deflate, gzip" } });
    assert.equal(response.headers["content-encoding"], "gzip");
    const packed = await bytesOf(response);
    assert.ok(packed.length < plain.length / 10);
    assert.deepEqual(gunzipSync(packed), plain);
    assert.equal(listOf((JSON.parse(plain.toString()) as { items?: unknown }).items).length, 8);
    const refused = await send("GET", widgetsPath, { headers: { "accept-encoding": "gzip;q=0" } });
    assert.equal(refused.headers["content-encoding"], undefined);
    const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const rows = await send("GET", widgetsPath, { headers: { accept: table, "accept-encoding": "gzip" } });
    assert.equal(rows.headers["content-encoding"], "gzip");
  });
});

describe("a watch", () => {
  for (const [query, message] of [
    ["sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
    ["resourceVersionMatch=NotOlderThan", "resourceVersionMatch is forbidden for watch unless sendInitialEvents"],
    ["sendInitialEvents=true&resourceVersionMatch=Exact", 'supported values: "NotOlderThan"'],
  ] as const)
    test(`with "${query}" is 422`, async () => {
      const { call } = await twoWidgets();
      const { status, body } = await call("GET", `${widgetsPath}?watch=true&${query}`);
      assert.equal(status, 422);
      assert.ok(shown(body["message"]).includes(message), shown(body["message"]));
    });

  test("whose initial events shall be newer than what there is, is 504", async () => {
    const { call, newest } = await twoWidgets();
    const query = `sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=${newest + 5}`;
    assert.equal((await call("GET", `${widgetsPath}?watch=true&${query}`)).status, 504);
  });

  test("with a timeout or a flag that cannot be read is 400", async () => {
    const { call } = await twoWidgets();
    for (const query of ["timeoutSeconds=-1", "allowWatchBookmarks=maybe"])
      assert.equal((await call("GET", `${widgetsPath}?watch=true&${query}`)).status, 400, query);
  });
});

async function bytesOf(response: { readonly body: Uint8Array | AsyncIterable<Uint8Array> }): Promise<Buffer> {
  if (response.body instanceof Uint8Array) return Buffer.from(response.body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
