import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify } from "yaml";
import { listOf, openTestServer, shown, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";

const path = `${widgetsPath}/a`;
const headers = { "content-type": "application/apply-patch+yaml" };
const merge = { "content-type": "application/merge-patch+json" };

interface ApplyOptions {
  readonly manager?: string;
  readonly query?: string;
  readonly at?: string;
}

function applier({ call }: TestServer) {
  return (body: object, { manager = "one", query = "", at = path }: ApplyOptions = {}) =>
    call("PATCH", `${at}?fieldManager=${manager}${query}`, { body: stringify(body), headers });
}

const config = (spec: object, metadata: object = {}) => ({
  apiVersion: "example.dev/v1",
  kind: "Widget",
  metadata: { name: "a", ...metadata },
  spec,
});

test("what does not exist is created, and its manager owns what it said and no default", async () => {
  const server = await openTestServer({ clock: () => new Date("2026-01-02T03:04:05.678Z") });
  const apply = applier(server);
  const { status, body } = await apply(config({ size: 2, parts: [{ name: "p" }], options: { x: "1" } }));
  assert.equal(status, 201);
  assert.deepEqual(body["spec"], {
    size: 2,
    parts: [{ name: "p", count: 1 }],
    options: { x: "1" },
    color: "red",
  });
  assert.deepEqual(body["metadata"]?.["managedFields"], [
    {
      manager: "one",
      operation: "Apply",
      apiVersion: "example.dev/v1",
      time: "2026-01-02T03:04:05Z",
      fieldsType: "FieldsV1",
      fieldsV1: {
        "f:spec": {
          "f:size": {},
          "f:parts": { 'k:{"name":"p"}': { ".": {}, "f:name": {} } },
          "f:options": { "f:x": {} },
        },
      },
    },
  ]);
});

test("applying the same again writes nothing", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  const first = await apply(config({ size: 2 }));
  const before = await server.store.revision();
  const again = await apply(config({ size: 2 }));
  assert.deepEqual([again.status, again.body], [200, first.body]);
  assert.equal(await server.store.revision(), before);
});

test("a field that its only manager leaves out goes, or falls back to its default; one that another owns as well stays", async () => {
  const apply = applier(await openTestServer());
  await apply(config({ size: 2, color: "green", note: "n", options: { x: "1", y: "2" } }, { labels: { l: "1" } }));
  await apply(config({ note: "n", options: { y: "2" } }), { manager: "two" });
  const { body } = await apply(config({ size: 2 }));
  assert.deepEqual(body["spec"], { size: 2, note: "n", options: { y: "2" }, color: "red" });
  assert.equal(body["metadata"]?.["labels"], undefined);
});

test("a change of what another manager owns is a Conflict that names the fields; force takes them over", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  await apply(config({ size: 2, parts: [{ name: "p", count: 1 }] }));
  const one = await apply(config({ size: 3 }), { manager: "two" });
  assert.deepEqual(
    [one.status, one.body["reason"], one.body["message"]],
    [409, "Conflict", 'Apply failed with 1 conflict: conflict with "one": .spec.size'],
  );
  assert.deepEqual(one.body["details"]?.["causes"], [
    { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".spec.size" },
  ]);
  await server.call("PATCH", `${path}?fieldManager=editor`, { body: { spec: { color: "green" } }, headers: merge });
  const several = await apply(config({ size: 3, color: "red", parts: [{ name: "p", count: 9 }] }), { manager: "two" });
  assert.equal(
    several.body["message"],
    [
      'Apply failed with 3 conflicts: conflicts with "editor" using example.dev/v1:',
      "- .spec.color",
      'conflicts with "one":',
      "- .spec.size",
      '- .spec.parts[name="p"].count',
    ].join("\n"),
  );
  const forced = await apply(config({ size: 3 }), { manager: "two", query: "&force=true" });
  assert.equal(forced.body["spec"]?.["size"], 3);
  const back = await apply(config({ size: 2, parts: [{ name: "p", count: 1 }] }));
  assert.equal(back.body["message"], 'Apply failed with 1 conflict: conflict with "two": .spec.size');
});

test("managers that say the same share a field, and nobody is in the other's way", async () => {
  const apply = applier(await openTestServer());
  await apply(config({ size: 2 }));
  assert.equal((await apply(config({ size: 2 }), { manager: "two" })).status, 200);
  const alone = await apply(config({ size: 2 }, { labels: { x: "1" } }));
  assert.equal(listOf(alone.body["metadata"]?.["managedFields"]).length, 2);
});

test("items of keyed lists and sets merge, atomic lists are replaced", async () => {
  const apply = applier(await openTestServer());
  await apply(config({ size: 1, parts: [{ name: "x", count: 3 }, { name: "y" }] }, { finalizers: ["a.b/c"] }));
  const { body } = await apply(
    config({ parts: [{ name: "z" }, { name: "y", count: 5 }], free: { list: [1] } }, { finalizers: ["d.e/f"] }),
    { manager: "two" },
  );
  assert.equal(body["message"], undefined, shown(body["message"]));
  assert.deepEqual(body["spec"]?.["parts"], [
    { name: "x", count: 3 },
    { name: "z", count: 1 },
    { name: "y", count: 5 },
  ]);
  assert.deepEqual(body["metadata"]?.["finalizers"], ["a.b/c", "d.e/f"]);
  const replaced = await apply(config({ free: { list: [2, 3] } }, { finalizers: ["d.e/f"] }), { manager: "two" });
  assert.deepEqual(replaced.body["spec"]?.["free"], { list: [2, 3] });
  assert.deepEqual(replaced.body["spec"]?.["parts"], [
    { name: "x", count: 3 },
    { name: "y", count: 1 },
  ]);
});

test("status is applied at /status, by an owner of its own, and nothing else is", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  await apply({ ...config({ size: 2 }), status: { phase: "Ignored" } });
  const { body } = await apply(
    { ...config({ size: 9 }, { labels: { no: "no" } }), status: { phase: "Up" } },
    { at: `${path}/status` },
  );
  assert.deepEqual(
    [body["spec"]?.["size"], body["status"], body["metadata"]?.["labels"]],
    [2, { phase: "Up" }, undefined],
  );
  assert.deepEqual(
    listOf(body["metadata"]?.["managedFields"]).map(({ operation, subresource, fieldsV1 }) => [
      operation,
      subresource,
      fieldsV1,
    ]),
    [
      ["Apply", undefined, { "f:spec": { "f:size": {} } }],
      ["Apply", "status", { "f:status": { "f:phase": {} } }],
    ],
  );
  const conflict = await apply(
    { ...config({ size: 2 }), status: { phase: "Down" } },
    { at: `${path}/status`, manager: "two" },
  );
  assert.equal(
    conflict.body["message"],
    'Apply failed with 1 conflict: conflict with "one" with subresource "status": .status.phase',
  );
  assert.equal((await apply(config({}, { name: "missing" }), { at: `${widgetsPath}/missing/status` })).status, 404);
});

test("a dry run answers what would be and writes nothing", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  assert.equal((await apply(config({ size: 2 }), { query: "&dryRun=All" })).status, 201);
  assert.equal((await server.call("GET", path)).status, 404);
  await apply(config({ size: 2 }));
  assert.equal((await apply(config({ size: 5 }), { query: "&dryRun=All" })).body["spec"]?.["size"], 5);
  assert.equal((await server.call("GET", path)).body["spec"]?.["size"], 2);
});

test("resourceVersion and uid in the configuration are preconditions", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  assert.equal((await apply(config({ size: 2 }, { uid: "x" }))).status, 409);
  await apply(config({ size: 2 }));
  const stale = await apply(config({ size: 3 }, { resourceVersion: "1" }));
  assert.match(shown(stale.body["message"]), /the object has been modified/);
  assert.equal((await apply(config({ size: 3 }, { uid: "x" }))).status, 409);
  const { body } = await server.call("GET", path);
  const { resourceVersion, uid } = body["metadata"] ?? {};
  assert.equal((await apply(config({ size: 3 }, { resourceVersion, uid }))).status, 200);
});

test("requests that are no apply are refused with what is missing or too much", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  const unnamed = await server.call("PATCH", path, { body: config({ size: 1 }), headers });
  assert.deepEqual(
    [unnamed.status, unnamed.body["message"]],
    [422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'],
  );
  const owned = await apply(config({ size: 1 }, { managedFields: [] }));
  assert.deepEqual([owned.status, owned.body["message"]], [400, "metadata.managedFields must be nil"]);
  const forced = await server.call("PATCH", `${path}?force=true`, { body: {}, headers: merge });
  assert.match(shown(forced.body["message"]), /force: Forbidden: may not be specified for non-apply patch/);
  const long = await server.call("PATCH", `${path}?fieldManager=${"x".repeat(129)}`, { body: config({}), headers });
  assert.match(shown(long.body["message"]), /fieldManager: Too long: may not be more than 128 bytes/);
  assert.equal((await server.call("PATCH", `${path}?fieldManager=x`, { body: "a: [", headers })).status, 400);
  const renamed = await apply(config({ size: 1 }, { name: "b" }));
  assert.deepEqual(
    [renamed.status, renamed.body["message"]],
    [400, "the name of the object (b) does not match the name on the URL (a)"],
  );
});

test("items that cannot be told apart are refused", async () => {
  const apply = applier(await openTestServer());
  const twice = await apply(config({ size: 1, parts: [{ name: "p" }, { name: "p" }] }));
  assert.deepEqual(
    [twice.status, twice.body["message"]],
    [
      400,
      'failed to create typed patch object (default/a; example.dev/v1, Kind=Widget): .spec.parts: duplicate entries for key [name="p"]',
    ],
  );
  const unnamed = await apply(config({ size: 1, parts: [{ count: 1 }] }));
  assert.match(
    shown(unnamed.body["message"]),
    /element 0: associative list with keys has an element that omits key field "name"/,
  );
});

test("fields that the schema does not know are refused or warned of as fieldValidation asks", async () => {
  const apply = applier(await openTestServer());
  const strict = await apply(config({ size: 1, bogus: 1 }), { query: "&fieldValidation=Strict" });
  assert.match(shown(strict.body["message"]), /unknown field "spec\.bogus"/);
  const warned = await apply(config({ size: 1, bogus: 1 }));
  assert.deepEqual([warned.status, warned.headers["warning"]], [201, ['299 - "unknown field \\"spec.bogus\\""']]);
  assert.doesNotMatch(JSON.stringify(warned.body), /bogus/);
});

test("what was there before fields had owners belongs to before-first-apply", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  await server.call("POST", widgetsPath, { body: widget("a") });
  await server.call("PATCH", path, { body: { metadata: { managedFields: [{}] } }, headers: merge });
  const { body } = await apply(config({ size: 2 }));
  assert.equal(
    body["message"],
    'Apply failed with 1 conflict: conflict with "before-first-apply" using example.dev/v1: .spec.size',
  );
});

test("kubectl takes over what its client-side apply said last, and keeps that annotation true", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  const key = "kubectl.kubernetes.io/last-applied-configuration";
  const annotations = { [key]: JSON.stringify(config({ size: 2 })) };
  await server.call("POST", `${widgetsPath}?fieldManager=kubectl-client-side-apply`, {
    body: widget("a", { metadata: { annotations }, spec: { size: 2, color: "green" } }),
  });
  assert.equal((await apply(config({ size: 3 }), { manager: "other" })).status, 409);
  const both = await apply(config({ size: 3, color: "red" }), { manager: "kubectl" });
  assert.match(shown(both.body["message"]), /1 conflict: .*\.spec\.color$/);
  const { status, body } = await apply(config({ size: 3 }), { manager: "kubectl" });
  assert.equal(status, 200, shown(body["message"]));
  assert.equal(body["metadata"]?.["annotations"]?.[key], `${JSON.stringify(config({ size: 3 }))}\n`);
});

test("what the server makes the same as before is no write", async () => {
  let second = 0;
  const server = await openTestServer({ clock: () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)) });
  const apply = applier(server);
  const at = "/api/v1/namespaces/default/secrets/s";
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { key: "value" } };
  await apply(secret, { at });
  await apply(config({ size: 1, color: null }));
  const before = await server.store.revision();
  assert.equal((await apply(secret, { at })).status, 200);
  assert.equal((await apply(config({ size: 1, color: null }))).status, 200);
  assert.equal(await server.store.revision(), before);
});

test("core kinds are applied as well", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  const at = "/api/v1/namespaces/default/configmaps/c";
  const map = (data: object) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data });
  await apply(map({ x: "1", y: "2" }), { at });
  await apply(map({ z: "3" }), { at, manager: "two" });
  const { body } = await apply(map({ y: "2" }), { at });
  assert.deepEqual(body["data"], { y: "2", z: "3" });
});

test("of many managers that make one object at once all have their part", async () => {
  const server = await openTestServer();
  const apply = applier(server);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      apply(config({ size: 1 }, { labels: { [`l${index}`]: "x" } }), { manager: `m${index}` }),
    ),
  );
  assert.ok(answers.every(({ status }) => status === 200 || status === 201));
  const { body } = await server.call("GET", path);
  assert.equal(Object.keys(body["metadata"]?.["labels"] ?? {}).length, 8);
});
