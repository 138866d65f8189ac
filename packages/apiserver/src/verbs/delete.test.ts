import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, openTestServer, widget, widgetsPath } from "../testing/test-server.ts";

const path = `${widgetsPath}/a`;
const merge = { "content-type": "application/merge-patch+json" };

test("an object that nothing holds goes at once, and the answer is Success", async () => {
  const { call } = await openTestServer();
  const created = await call("POST", widgetsPath, { body: widget("a") });
  const { status, body } = await call("DELETE", path);
  assert.equal(status, 200);
  assert.deepEqual(
    [body["kind"], body["status"], body["details"]],
    ["Status", "Success", { name: "a", group: "example.dev", kind: "widgets", uid: created.body["metadata"]?.["uid"] }],
  );
  assert.equal((await call("GET", path)).status, 404);
  assert.equal((await call("DELETE", path)).status, 404);
});

test("finalizers hold an object until the last of them is removed", async () => {
  const { call } = await openTestServer();
  await call("POST", widgetsPath, {
    body: widget("a", { metadata: { finalizers: ["example.dev/x", "example.dev/y"] } }),
  });
  const deleted = await call("DELETE", path);
  assert.deepEqual([deleted.status, deleted.body["kind"]], [200, "Widget"]);
  assert.ok(deleted.body["metadata"]?.["deletionTimestamp"]);
  const again = await call("DELETE", path);
  assert.equal(
    again.body["metadata"]?.["resourceVersion"],
    deleted.body["metadata"]?.["resourceVersion"],
    "deleting twice writes once",
  );
  const patch = (finalizers: unknown) => call("PATCH", path, { body: { metadata: { finalizers } }, headers: merge });
  assert.equal((await patch(["example.dev/x", "example.dev/z"])).status, 422, "no new finalizers");
  assert.equal((await patch(["example.dev/x"])).status, 200);
  assert.equal((await call("GET", path)).status, 200);
  assert.equal((await patch(null)).status, 200);
  assert.equal((await call("GET", path)).status, 404);
});

test("preconditions and a dry run are honoured", async () => {
  const { call } = await openTestServer();
  const { body } = await call("POST", widgetsPath, { body: widget("a") });
  const remove = (preconditions: object, query = "") =>
    call("DELETE", path + query, { body: { kind: "DeleteOptions", apiVersion: "v1", preconditions } });
  assert.equal((await remove({ uid: "other" })).status, 409);
  assert.equal((await remove({ resourceVersion: "1" })).status, 409);
  assert.equal((await remove({ uid: body["metadata"]?.["uid"] }, "?dryRun=All")).status, 200);
  assert.equal((await call("GET", path)).status, 200);
  assert.equal((await call("DELETE", `${path}?propagationPolicy=Sideways`)).status, 422);
  assert.equal((await remove({ uid: body["metadata"]?.["uid"] })).status, 200);
});

test("a collection is deleted as its selector says", async () => {
  const { call } = await openTestServer();
  for (const [name, tier] of [
    ["a", "x"],
    ["b", "x"],
    ["c", "y"],
  ] as const)
    await call("POST", widgetsPath, { body: widget(name, { metadata: { labels: { tier } } }) });
  const { status } = await call("DELETE", `${widgetsPath}?labelSelector=tier%3Dx`);
  assert.equal(status, 200);
  const left = await call("GET", widgetsPath);
  assert.equal((left.body["items"] as unknown as unknown[]).length, 1);
});

test("a dry run of a collection's deletion answers the same, and all stay as they were", async () => {
  const { call, store } = await openTestServer();
  await call("POST", widgetsPath, { body: widget("a") });
  await call("POST", widgetsPath, { body: widget("b", { metadata: { finalizers: ["example.dev/x"] } }) });
  const before = await store.revision();
  const body = { kind: "DeleteOptions", apiVersion: "v1", dryRun: ["All"] };
  for (const answer of [
    await call("DELETE", `${widgetsPath}?dryRun=All`),
    await call("DELETE", widgetsPath, { body }),
    await call("DELETE", widgetsPath, { body: { ...body, propagationPolicy: "Foreground" } }),
  ])
    assert.deepEqual(
      listOf(answer.body["items"]).map(({ metadata }) => metadata?.["name"]),
      ["a", "b"],
    );
  const wrong = await call("DELETE", `${widgetsPath}?dryRun=Some`);
  assert.equal(wrong.status, 400);
  assert.equal(await store.revision(), before);
});

test("a dry run of every verb on one object writes nothing", async () => {
  const { call, store } = await openTestServer();
  const { body } = await call("POST", widgetsPath, { body: widget("a") });
  const before = await store.revision();
  const status = (at: string) => `${path}${at}?dryRun=All`;
  const answers = [
    await call("POST", `${widgetsPath}?dryRun=All`, { body: widget("b") }),
    await call("POST", `${widgetsPath}?dryRun=All`, { body: widget("", { metadata: { generateName: "g-" } }) }),
    await call("PUT", status(""), { body: { ...body, spec: { size: 2 } } }),
    await call("PATCH", status(""), { body: { spec: { size: 2 } }, headers: merge }),
    await call("PUT", status("/status"), { body: { ...body, status: { phase: "Up" } } }),
    await call("PATCH", status("/status"), { body: { status: { phase: "Up" } }, headers: merge }),
    await call("DELETE", `${path}?dryRun=All&propagationPolicy=Foreground`),
    await call("DELETE", `${path}?dryRun=All&propagationPolicy=Orphan`),
    await call("DELETE", status("")),
    await call("DELETE", "/api/v1/namespaces/default/configmaps?dryRun=All"),
  ];
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [201, 201, 200, 200, 200, 200, 200, 200, 200, 200],
  );
  assert.equal(await store.revision(), before);
  assert.equal((await call("POST", `${widgetsPath}?dryRun=All`, { body: widget("a") })).status, 409);
});
