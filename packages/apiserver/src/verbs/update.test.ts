import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestServer, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";

const path = `${widgetsPath}/a`;

async function withWidget(fields = {}): Promise<TestServer> {
  const server = await openTestServer();
  await server.call("POST", widgetsPath, { body: widget("a", fields) });
  return server;
}

test("a write based on an old version is a Conflict with the well-known words", async () => {
  const { call } = await withWidget();
  const { body: old } = await call("GET", path);
  assert.equal((await call("PUT", path, { body: { ...old, spec: { size: 2 } } })).status, 200);
  const second = await call("PUT", path, { body: { ...old, spec: { size: 3 } } });
  assert.deepEqual([second.status, second.body["reason"]], [409, "Conflict"]);
  assert.equal(
    second.body["message"],
    'Operation cannot be fulfilled on widgets.example.dev "a": the object has been modified; please apply your changes to the latest version and try again',
  );
});

test("an update of a custom resource needs its resourceVersion; a core kind's does not", async () => {
  const { call } = await withWidget();
  assert.equal((await call("PUT", path, { body: widget("a", { spec: { size: 2 } }) })).status, 422);
  const config = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: "1" } };
  await call("POST", "/api/v1/namespaces/default/configmaps", { body: config });
  const put = await call("PUT", "/api/v1/namespaces/default/configmaps/c", { body: { ...config, data: { b: "2" } } });
  assert.deepEqual([put.status, put.body["data"]], [200, { b: "2" }]);
});

test("the generation grows with the spec only, and status is written at /status only", async () => {
  const { call } = await withWidget();
  const { body: first } = await call("GET", path);
  const labeled = await call("PUT", path, {
    body: { ...first, metadata: { ...first["metadata"], labels: { a: "b" } }, status: { phase: "Up" } },
  });
  assert.deepEqual([labeled.body["metadata"]?.["generation"], labeled.body["status"]], [1, undefined]);
  const status = await call("PUT", `${path}/status`, {
    body: {
      ...labeled.body,
      metadata: { ...labeled.body["metadata"], labels: { no: "no" } },
      spec: { size: 5 },
      status: { phase: "Up" },
    },
  });
  assert.equal(status.status, 200);
  assert.deepEqual(status.body["status"], { phase: "Up" });
  assert.deepEqual(status.body["metadata"]?.["labels"], { a: "b" });
  assert.equal(status.body["spec"]?.["size"], 1);
  assert.equal(status.body["metadata"]?.["generation"], 1);
  const resized = await call("PUT", path, { body: { ...status.body, spec: { size: 5 } } });
  assert.equal(resized.body["metadata"]?.["generation"], 2);
  assert.deepEqual(resized.body["status"], { phase: "Up" });
});

test("an update that changes nothing writes nothing", async () => {
  const { call, store } = await withWidget({ metadata: { labels: { a: "b", c: "d" } } });
  const { body } = await call("GET", path);
  const before = await store.revision();
  const reordered = JSON.parse(
    JSON.stringify({
      spec: { color: "red", size: 1 },
      metadata: body["metadata"],
      kind: body["kind"],
      apiVersion: body["apiVersion"],
    }),
  ) as object;
  const again = await call("PUT", path, { body: reordered });
  assert.equal(again.status, 200);
  assert.equal(again.body["metadata"]?.["resourceVersion"], body["metadata"]?.["resourceVersion"]);
  assert.equal((await call("PATCH", path, { body: { spec: { size: 1 } }, headers: merge })).status, 200);
  assert.equal(await store.revision(), before);
});

const merge = { "content-type": "application/merge-patch+json" };

test("what the server owns cannot be changed, and another object's uid is a Conflict", async () => {
  const { call } = await withWidget();
  const { body } = await call("GET", path);
  const metadata = {
    ...body["metadata"],
    creationTimestamp: "2000-01-01T00:00:00Z",
    generation: 77,
    deletionTimestamp: "2000-01-01T00:00:00Z",
  };
  const put = await call("PUT", path, { body: { ...body, metadata, spec: { size: 2 } } });
  assert.equal(put.body["metadata"]?.["creationTimestamp"], body["metadata"]?.["creationTimestamp"]);
  assert.equal(put.body["metadata"]?.["generation"], 2);
  assert.equal(put.body["metadata"]?.["deletionTimestamp"], undefined);
  const other = await call("PUT", path, { body: { ...put.body, metadata: { ...put.body["metadata"], uid: "other" } } });
  assert.deepEqual([other.status, other.body["reason"]], [409, "Conflict"]);
  const renamed = await call("PUT", path, { body: { ...put.body, metadata: { ...put.body["metadata"], name: "b" } } });
  assert.equal(renamed.status, 400);
});

test("what does not exist is NotFound", async () => {
  const { call } = await openTestServer();
  const { status, body } = await call("PUT", path, { body: widget("a", { metadata: { resourceVersion: "1" } }) });
  assert.deepEqual([status, body["message"]], [404, 'widgets.example.dev "a" not found']);
  assert.deepEqual(body["details"], { name: "a", group: "example.dev", kind: "widgets" });
});

test("of many writers based on one version exactly one succeeds", async () => {
  const { call } = await withWidget();
  const { body } = await call("GET", path);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => call("PUT", path, { body: { ...body, spec: { size: index + 2 } } })),
  );
  assert.deepEqual(
    answers.map((answer) => answer.status).toSorted((a, b) => a - b),
    [200, 409, 409, 409, 409, 409, 409, 409],
  );
});

test("patches without a version never conflict", async () => {
  const { call } = await withWidget();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      call("PATCH", path, { body: { metadata: { labels: { [`l${index}`]: "x" } } }, headers: merge }),
    ),
  );
  assert.ok(answers.every((answer) => answer.status === 200));
  const { body } = await call("GET", path);
  assert.equal(Object.keys(body["metadata"]?.["labels"] ?? {}).length, 10);
});
