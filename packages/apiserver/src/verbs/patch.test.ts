import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestServer, shown, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";

const path = `${widgetsPath}/a`;
const type = (name: string) => ({ "content-type": `application/${name}` });

async function withWidget(): Promise<TestServer> {
  const server = await openTestServer();
  await server.call("POST", widgetsPath, { body: widget("a", { spec: { options: { a: "1", b: "2" } } }) });
  return server;
}

test("a merge patch merges objects, removes by null, and replaces the rest", async () => {
  const { call } = await withWidget();
  const { body } = await call("PATCH", path, {
    body: { spec: { size: 4, options: { a: null, c: "3" }, parts: [{ name: "x" }] } },
    headers: type("merge-patch+json"),
  });
  assert.deepEqual(body["spec"], {
    size: 4,
    color: "red",
    options: { b: "2", c: "3" },
    parts: [{ name: "x", count: 1 }],
  });
});

test("a patch whose result is invalid is refused as a whole", async () => {
  const { call } = await withWidget();
  const patch = { spec: { size: 100, options: { a: null } } };
  assert.equal((await call("PATCH", path, { body: patch, headers: type("merge-patch+json") })).status, 422);
  assert.deepEqual((await call("GET", path)).body["spec"]?.["options"], { a: "1", b: "2" });
});

test("a patch with a resourceVersion applies to that version only", async () => {
  const { call } = await withWidget();
  const patch = (resourceVersion: unknown) => ({ metadata: { resourceVersion }, spec: { size: 2 } });
  const headers = type("merge-patch+json");
  assert.equal((await call("PATCH", path, { body: patch("1"), headers })).status, 409);
  const { body } = await call("GET", path);
  assert.equal(
    (await call("PATCH", path, { body: patch(body["metadata"]?.["resourceVersion"]), headers })).status,
    200,
  );
});

test("a JSON patch applies all its operations or none", async () => {
  const { call } = await withWidget();
  const headers = type("json-patch+json");
  const good = [
    { op: "test", path: "/spec/size", value: 1 },
    { op: "replace", path: "/spec/size", value: 2 },
    { op: "add", path: "/metadata/labels", value: { a: "b" } },
    { op: "move", from: "/spec/options/a", path: "/spec/options/z" },
  ];
  const { body } = await call("PATCH", path, { body: good, headers });
  assert.deepEqual([body["spec"]?.["size"], body["spec"]?.["options"]], [2, { b: "2", z: "1" }]);
  const failing = [
    { op: "replace", path: "/spec/size", value: 3 },
    { op: "test", path: "/spec/size", value: 9 },
  ];
  assert.equal((await call("PATCH", path, { body: failing, headers })).status, 422);
  assert.equal((await call("PATCH", path, { body: [{ op: "remove", path: "/spec/nope" }], headers })).status, 422);
  assert.equal((await call("PATCH", path, { body: { op: "remove" }, headers })).status, 400);
  assert.equal((await call("PATCH", path, { body: [{ op: "fly", path: "/spec" }], headers })).status, 400);
  assert.equal((await call("GET", path)).body["spec"]?.["size"], 2);
});

test("a JSON patch cannot reach what objects inherit", async () => {
  const { call } = await withWidget();
  const headers = type("json-patch+json");
  for (const target of ["/spec/__proto__/x", "/__proto__/x", "/spec/toString/x", "/constructor/prototype/x"])
    assert.equal(
      (await call("PATCH", path, { body: [{ op: "add", path: target, value: 1 }], headers })).status,
      422,
      target,
    );
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("/status takes patches of the status only", async () => {
  const { call } = await withWidget();
  const { status, body } = await call("PATCH", `${path}/status`, {
    body: { spec: { size: 7 }, status: { phase: "Up" } },
    headers: type("merge-patch+json"),
  });
  assert.equal(status, 200);
  assert.deepEqual([body["spec"]?.["size"], body["status"]], [1, { phase: "Up" }]);
});

test("patch types that a kind does not take are 415", async () => {
  const { call } = await withWidget();
  const strategic = await call("PATCH", path, { body: {}, headers: type("strategic-merge-patch+json") });
  assert.equal(strategic.status, 415);
  assert.match(shown(strategic.body["message"]), /accepted media types include: application\/json-patch\+json/);
  assert.equal((await call("PATCH", path, { body: {}, headers: type("json") })).status, 415);
});

test("core kinds take strategic merge patches", async () => {
  const { call } = await openTestServer();
  const configs = "/api/v1/namespaces/default/configmaps";
  const metadata = { name: "c", finalizers: ["a.b/c"] };
  await call("POST", configs, { body: { apiVersion: "v1", kind: "ConfigMap", metadata, data: { a: "1", b: "2" } } });
  const { status, body } = await call("PATCH", `${configs}/c`, {
    body: { data: { a: null, c: "3" }, metadata: { finalizers: ["d.e/f"] } },
    headers: type("strategic-merge-patch+json"),
  });
  assert.equal(status, 200);
  assert.deepEqual(body["data"], { b: "2", c: "3" });
  assert.deepEqual(body["metadata"]?.["finalizers"], ["a.b/c", "d.e/f"]);
});
