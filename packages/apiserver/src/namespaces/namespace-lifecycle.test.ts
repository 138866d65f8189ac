import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import { listOf, openTestServer, shown, widget, type TestServer } from "../testing/test-server.ts";

const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "team" } };
const widgets = "/apis/example.dev/v1/namespaces/team/widgets";
const merge = { "content-type": "application/merge-patch+json" };

/** Follows the namespace until it is gone. */
async function gone({ send }: TestServer): Promise<void> {
  const end = new AbortController();
  const response = await send("GET", "/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Dteam", {
    signal: end.signal,
  });
  for await (const chunk of response.body as AsyncIterable<Uint8Array>)
    if (new TextDecoder().decode(chunk).includes('"type":"DELETED"')) end.abort();
}

test("the first namespaces exist, are made once, and cannot be deleted", async () => {
  const store = openMemoryStore();
  const first = await openTestServer({ store });
  const { body } = await first.call("GET", "/api/v1/namespaces/default");
  assert.equal(body["status"]?.["phase"], "Active");
  await first.server.close();
  const second = await openTestServer({ store });
  assert.deepEqual((await second.call("GET", "/api/v1/namespaces/default")).body, body);
  assert.equal((await second.call("DELETE", "/api/v1/namespaces/kube-system")).status, 403);
});

test(
  "a deleted namespace takes what is in it along, and takes nothing new meanwhile",
  { timeout: 10_000 },
  async () => {
    const server = await openTestServer();
    const { call } = server;
    await call("POST", "/api/v1/namespaces", { body: namespace });
    await call("POST", widgets, { body: widget("free") });
    await call("POST", widgets, { body: widget("held", { metadata: { finalizers: ["example.dev/x"] } }) });
    const ended = gone(server);
    const deleted = await call("DELETE", "/api/v1/namespaces/team");
    assert.equal(deleted.body["status"]?.["phase"], "Terminating");
    const refused = await call("POST", widgets, { body: widget("late") });
    assert.deepEqual([refused.status, refused.body["reason"]], [403, "Forbidden"]);
    while ((await call("GET", `${widgets}/held`)).body["metadata"]?.["deletionTimestamp"] === undefined)
      await new Promise((resolve) => setImmediate(resolve));
    const remaining = async () => {
      const { body } = await call("GET", "/api/v1/namespaces/team");
      return listOf(body["status"]?.["conditions"])
        .filter((condition) => shown(condition["status"]) === "True")
        .map((condition) => [condition["type"], condition["reason"], condition["message"]]);
    };
    while ((await remaining()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      await remaining(),
      [
        [
          "NamespaceContentRemaining",
          "SomeResourcesRemain",
          "Some resources are remaining: widgets.example.dev has 1 resource instances",
        ],
        [
          "NamespaceFinalizersRemaining",
          "SomeFinalizersRemain",
          "Some content in the namespace has finalizers remaining: example.dev/x in 1 resource instances",
        ],
      ],
      "held by what is held in it",
    );
    await call("PATCH", `${widgets}/held`, { body: { metadata: { finalizers: null } }, headers: merge });
    await ended;
    assert.equal((await call("GET", "/api/v1/namespaces/team")).status, 404);
    assert.deepEqual((await call("GET", widgets)).body["items"], []);
    await server.server.close();
  },
);

test("finalize lets a held namespace go, whatever is in it", { timeout: 10_000 }, async () => {
  const { call, server } = await openTestServer({ runsTasks: false });
  const path = "/api/v1/namespaces/team";
  await call("POST", "/api/v1/namespaces", { body: namespace });
  await call("PUT", `${path}/finalize`, { body: { ...namespace, spec: { finalizers: ["example.dev/x"] } } });
  const { body } = await call("DELETE", path);
  assert.deepEqual(body["spec"]?.["finalizers"], ["example.dev/x"]);
  assert.equal(
    (await call("PUT", `${path}/finalize`, { body: { ...namespace, spec: { finalizers: [1] } } })).status,
    422,
  );
  const done = await call("PUT", `${path}/finalize`, { body: { ...namespace, spec: { finalizers: [] } } });
  assert.equal(done.status, 200);
  assert.equal((await call("GET", path)).status, 404);
  await server.close();
});

test("a server that starts goes on deleting", { timeout: 10_000 }, async () => {
  const store = openMemoryStore();
  const first = await openTestServer({ store });
  await first.call("POST", "/api/v1/namespaces", { body: namespace });
  await first.call("POST", widgets, { body: widget("held", { metadata: { finalizers: ["example.dev/x"] } }) });
  await first.call("DELETE", "/api/v1/namespaces/team");
  await first.server.close();
  const second = await openTestServer({ store });
  await second.call("PATCH", `${widgets}/held`, { body: { metadata: { finalizers: null } }, headers: merge });
  await second.call("DELETE", `${widgets}/held`);
  while ((await second.call("GET", "/api/v1/namespaces/team")).status !== 404)
    await new Promise((resolve) => setImmediate(resolve));
  await second.server.close();
});
