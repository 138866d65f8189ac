import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, openTestServer, widget, widgetsPath, type Answer } from "../testing/test-server.ts";

const path = `${widgetsPath}/a`;
const merge = { "content-type": "application/merge-patch+json" };
const owners = ({ body }: Answer) =>
  listOf(body["metadata"]?.["managedFields"]).map(({ manager, operation, subresource, fieldsV1 }) => [
    manager,
    operation,
    subresource,
    fieldsV1,
  ]);

test("a create belongs to its manager, with structs and lists, and without what names the object", async () => {
  const { call } = await openTestServer();
  const made = await call("POST", `${widgetsPath}?fieldManager=maker`, {
    body: widget("a", { metadata: { labels: { l: "1" } }, spec: { parts: [{ name: "p" }] } }),
  });
  assert.deepEqual(owners(made), [
    [
      "maker",
      "Update",
      undefined,
      {
        "f:metadata": { "f:labels": { ".": {}, "f:l": {} } },
        "f:spec": {
          ".": {},
          "f:size": {},
          "f:color": {},
          "f:parts": { ".": {}, 'k:{"name":"p"}': { ".": {}, "f:name": {}, "f:count": {} } },
        },
      },
    ],
  ]);
});

test("without fieldManager the first part of the User-Agent is the manager", async () => {
  const { call } = await openTestServer();
  const named = await call("POST", widgetsPath, { body: widget("a"), headers: { "user-agent": "curl/8.1 (x)" } });
  assert.equal(owners(named)[0]?.[0], "curl");
  assert.equal(owners(await call("POST", widgetsPath, { body: widget("b") }))[0]?.[0], "unknown");
});

test("a change takes a field from its owner; a removal leaves it to nobody", async () => {
  const { call } = await openTestServer({ clock: () => new Date("2026-01-02T03:04:05Z") });
  await call("POST", `${widgetsPath}?fieldManager=maker`, { body: widget("a", { spec: { note: "n" } }) });
  const changed = await call("PATCH", `${path}?fieldManager=editor`, {
    body: { spec: { size: 2, note: null } },
    headers: merge,
  });
  assert.deepEqual(owners(changed), [
    ["editor", "Update", undefined, { "f:spec": { "f:size": {} } }],
    ["maker", "Update", undefined, { "f:spec": { ".": {}, "f:color": {} } }],
  ]);
});

test("status has owners of its own", async () => {
  const { call } = await openTestServer();
  await call("POST", `${widgetsPath}?fieldManager=maker`, { body: widget("a") });
  const answer = await call("PATCH", `${path}/status?fieldManager=maker`, {
    body: { status: { phase: "Up" }, metadata: { managedFields: [{}] } },
    headers: merge,
  });
  assert.deepEqual(owners(answer).at(-1), ["maker", "Update", "status", { "f:status": { ".": {}, "f:phase": {} } }]);
  assert.equal(owners(answer).length, 2);
});

test("clients may set managedFields, forget them with [{}], and cannot break them", async () => {
  const { call } = await openTestServer();
  const entry = {
    manager: "kubectl",
    operation: "Apply",
    apiVersion: "example.dev/v1",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": { "f:size": {}, "f:parts": { 'k:{ "name" : "p" }': { ".": {} } } } },
  };
  await call("POST", `${widgetsPath}?fieldManager=maker`, { body: widget("a") });
  const send = (managedFields: unknown) =>
    call("PATCH", path, { body: { metadata: { managedFields } }, headers: merge });
  const set = await send([entry]);
  assert.deepEqual(owners(set), [
    ["kubectl", "Apply", undefined, { "f:spec": { "f:size": {}, "f:parts": { 'k:{"name":"p"}': { ".": {} } } } }],
  ]);
  for (const unusable of [[], [{ ...entry, operation: "Own" }], [{ ...entry, fieldsV1: { "x:": {} } }], null])
    assert.deepEqual(owners(await send(unusable)), owners(set));
  assert.deepEqual(owners(await send([{}])), []);
  const untracked = await call("PATCH", path, { body: { spec: { size: 5 } }, headers: merge });
  assert.deepEqual(owners(untracked), []);
});

test("of more than ten managers that update, the oldest become one", async () => {
  let second = 0;
  const { call } = await openTestServer({ clock: () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)) });
  await call("POST", `${widgetsPath}?fieldManager=maker`, { body: widget("a") });
  for (let index = 0; index < 14; index++)
    await call("PATCH", `${path}?fieldManager=m${index}`, {
      body: { metadata: { labels: { [`l${index}`]: "x" } } },
      headers: merge,
    });
  assert.deepEqual(
    owners(await call("GET", path)).map(([manager]) => manager),
    ["ancient-changes", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13"],
  );
});
