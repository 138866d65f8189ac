import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, openTestServer, widget, widgetsPath, type Json, type TestServer } from "../testing/test-server.ts";

const merge = { "content-type": "application/merge-patch+json" };

/** Reads events until `count` are there, then ends the watch. */
async function readEvents(
  server: TestServer,
  query: string,
  options: { count: number; accept?: string },
): Promise<Json[]> {
  const end = new AbortController();
  const headers = options.accept === undefined ? {} : { accept: options.accept };
  const response = await server.send("GET", `${widgetsPath}?watch=true&${query}`, { signal: end.signal, headers });
  assert.equal(response.status, 200);
  const events: Json[] = [];
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    for (const line of new TextDecoder().decode(chunk).trim().split("\n")) events.push(JSON.parse(line) as Json);
    if (events.length >= options.count) end.abort();
  }
  return events;
}

const summary = (events: readonly Json[]) =>
  events.map((event) => [event["type"], event["object"]?.["metadata"]?.["name"]]);

test("a watch from a version gives each change after it, with its version", async () => {
  const server = await openTestServer();
  const { call, store } = server;
  await call("POST", widgetsPath, { body: widget("before") });
  const from = await store.revision();
  const reading = readEvents(server, `resourceVersion=${from}`, { count: 3 });
  await call("POST", widgetsPath, { body: widget("a") });
  await call("PATCH", `${widgetsPath}/a`, { body: { spec: { size: 2 } }, headers: merge });
  await call("DELETE", `${widgetsPath}/a`);
  const events = await reading;
  assert.deepEqual(summary(events), [
    ["ADDED", "a"],
    ["MODIFIED", "a"],
    ["DELETED", "a"],
  ]);
  assert.deepEqual(
    events.map((event) => Number(event["object"]?.["metadata"]?.["resourceVersion"]) - from),
    [1, 2, 3],
  );
  assert.equal(events[2]?.["object"]?.["spec"]?.["size"], 2, "a deletion carries the last state");
  const resumed = await readEvents(server, `resourceVersion=${from + 1}`, { count: 2 });
  assert.deepEqual(resumed, events.slice(1));
});

test("a watch without a version begins with what is there", async () => {
  const server = await openTestServer();
  await server.call("POST", widgetsPath, { body: widget("a") });
  for (const query of ["", "resourceVersion=0"]) {
    const reading = readEvents(server, query, { count: 2 });
    await new Promise((resolve) => setImmediate(resolve));
    await server.call("PATCH", `${widgetsPath}/a`, {
      body: { metadata: { labels: { [`l${query.length}`]: "x" } } },
      headers: merge,
    });
    assert.deepEqual(summary(await reading), [
      ["ADDED", "a"],
      ["MODIFIED", "a"],
    ]);
  }
});

test("an object that begins or ceases to match was added or deleted", async () => {
  const server = await openTestServer();
  const { call, store } = server;
  const reading = readEvents(server, `resourceVersion=${await store.revision()}&labelSelector=on`, { count: 3 });
  await call("POST", widgetsPath, { body: widget("a") });
  const label = (on: string | null) =>
    call("PATCH", `${widgetsPath}/a`, { body: { metadata: { labels: { on } } }, headers: merge });
  await label("1");
  await label("2");
  await label(null);
  await call("DELETE", `${widgetsPath}/a`);
  const events = await reading;
  assert.deepEqual(
    events.map((event) => [event["type"], event["object"]?.["metadata"]?.["labels"]]),
    [
      ["ADDED", { on: "1" }],
      ["MODIFIED", { on: "2" }],
      ["DELETED", { on: "2" }],
    ],
  );
});

test("a watch of one name gives that object alone, not those whose names begin with it", async () => {
  const server = await openTestServer();
  const query = `resourceVersion=${await server.store.revision()}&fieldSelector=metadata.name%3Da`;
  const reading = readEvents(server, query, { count: 2 });
  for (const name of ["ab", "a", "b"]) await server.call("POST", widgetsPath, { body: widget(name) });
  await server.call("DELETE", `${widgetsPath}/ab`);
  await server.call("DELETE", `${widgetsPath}/a`);
  assert.deepEqual(summary(await reading), [
    ["ADDED", "a"],
    ["DELETED", "a"],
  ]);
});

test("a version that is compacted, or from another store, ends the watch with 410", async () => {
  const server = await openTestServer();
  const { call, store } = server;
  await call("POST", widgetsPath, { body: widget("a") });
  await store.compact(await store.revision());
  for (const version of [1, 999_999]) {
    const [event] = await readEvents(server, `resourceVersion=${version}`, { count: 1 });
    assert.equal(event?.["type"], "ERROR");
    assert.deepEqual([event?.["object"]?.["code"], event?.["object"]?.["reason"]], [410, "Expired"]);
  }
});

test("a watch ends after its timeout, with a bookmark of how far it came", async () => {
  const server = await openTestServer();
  const response = await server.send(
    "GET",
    `${widgetsPath}?watch=1&resourceVersion=3&timeoutSeconds=1&allowWatchBookmarks=true`,
  );
  // Keeps the process alive: the server's own timers do not.
  const alive = setTimeout(() => undefined, 10_000);
  await server.call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other" } },
  });
  const lines: string[] = [];
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) lines.push(new TextDecoder().decode(chunk));
  clearTimeout(alive);
  const events = lines.map((line) => JSON.parse(line) as Json);
  assert.deepEqual(
    events.map((event) => event["type"]),
    ["BOOKMARK"],
  );
  assert.equal(events[0]?.["object"]?.["metadata"]?.["resourceVersion"], String(await server.store.revision()));
});

test("a streaming list ends its first part with a marked bookmark", async () => {
  const server = await openTestServer();
  await server.call("POST", widgetsPath, { body: widget("a") });
  const query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const events = await readEvents(server, query, { count: 2 });
  assert.deepEqual(
    events.slice(0, 2).map((event) => event["type"]),
    ["ADDED", "BOOKMARK"],
  );
  assert.deepEqual(events[1]?.["object"]?.["metadata"]?.["annotations"], { "k8s.io/initial-events-end": "true" });
});

test("a Table watch sends its columns once", async () => {
  const server = await openTestServer();
  const reading = readEvents(server, `resourceVersion=${await server.store.revision()}`, {
    count: 2,
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
  });
  await server.call("POST", widgetsPath, { body: widget("a") });
  await server.call("POST", widgetsPath, { body: widget("b") });
  const events = await reading;
  assert.ok(Array.isArray(events[0]?.["object"]?.["columnDefinitions"]));
  assert.equal(events[1]?.["object"]?.["columnDefinitions"], null);
  assert.equal(listOf(listOf(events[1]?.["object"]?.["rows"])[0]?.["cells"])[0], "b");
});

test("closing the server ends watches", async () => {
  const server = await openTestServer();
  const reading = readEvents(server, "resourceVersion=3", { count: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  await server.server.close();
  assert.deepEqual(await reading, []);
});
