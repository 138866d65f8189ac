import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import { define, definitionsPath, gadget, gadgetDefinition, gadgetsPath } from "../testing/gadget.ts";
import { listOf, openTestServer, shown, type Json, type TestServer } from "../testing/test-server.ts";

const gadgets = `${definitionsPath}/gadgets.example.dev`;
const merge = { "content-type": "application/merge-patch+json" };

async function conditionsOf(server: TestServer, path = gadgets): Promise<Record<string, unknown>> {
  const { body } = await server.call("GET", path);
  const conditions = listOf(body["status"]?.["conditions"]);
  return Object.fromEntries(
    conditions.map((each) => [shown(each["type"]), `${shown(each["status"])}/${shown(each["reason"])}`]),
  );
}

async function text(chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
  if (chunks instanceof Uint8Array) return Buffer.from(chunks).toString();
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

test("a kind is served as soon as its definition is written", async () => {
  const server = await openTestServer();
  assert.equal((await server.call("GET", gadgetsPath)).status, 404);
  const created = await define(server);
  assert.equal(created.status, 201);
  assert.deepEqual(created.body["status"]?.["storedVersions"], ["v1"]);
  assert.equal((await server.call("POST", gadgetsPath, { body: gadget("a") })).status, 201);
  assert.deepEqual(await conditionsOf(server), {
    NamesAccepted: "True/NoConflicts",
    Established: "True/InitialNamesAccepted",
  });
  const { body } = await server.call("GET", gadgets);
  assert.deepEqual(body["status"]?.["acceptedNames"], {
    plural: "gadgets",
    kind: "Gadget",
    singular: "gadget",
    listKind: "GadgetList",
    shortNames: ["gd"],
  });
  await server.server.close();
});

test("discovery and OpenAPI follow", async () => {
  const server = await openTestServer();
  const names = async (): Promise<unknown[]> =>
    listOf((await server.call("GET", "/apis/example.dev/v1")).body["resources"]).map((each) => each["name"]);
  assert.deepEqual(await names(), ["widgets", "widgets/status"]);
  await define(server);
  assert.deepEqual(await names(), ["widgets", "widgets/status", "gadgets"]);
  const openapi = await server.call("GET", "/openapi/v3/apis/example.dev/v1");
  assert.ok(JSON.stringify(openapi.body).includes("dev.example.v1.Gadget"));
  await server.call("DELETE", gadgets);
  await gone(server);
  assert.deepEqual(await names(), ["widgets", "widgets/status"]);
  await server.server.close();
});

async function gone(server: TestServer): Promise<void> {
  for await (const batch of server.store.watch("/registry/apiextensions.k8s.io/", {
    fromRevision: 1,
    signal: new AbortController().signal,
  }))
    if (batch.some((event) => event.type === "delete" && event.key.endsWith("gadgets.example.dev"))) break;
  assert.equal((await server.call("GET", gadgets)).status, 404);
  assert.equal((await server.call("GET", gadgetsPath)).status, 404);
}

test("a deleted definition takes its objects with it, and watches on them give the deletions and end", async () => {
  const server = await openTestServer();
  await define(server);
  for (const name of ["a", "b"]) await server.call("POST", gadgetsPath, { body: gadget(name) });
  const watch = text((await server.send("GET", `${gadgetsPath}?watch=true&resourceVersion=1`)).body);
  const deleted = await server.call("DELETE", gadgets);
  assert.deepEqual(deleted.body["metadata"]?.["finalizers"], ["customresourcecleanup.apiextensions.k8s.io"]);
  const lines = (await watch).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => {
      const { type, object } = JSON.parse(line) as { type: string; object: { metadata: { name: string } } };
      return `${type} ${object.metadata.name}`;
    }),
    ["ADDED a", "ADDED b", "DELETED a", "DELETED b"],
  );
  await gone(server);
  assert.equal((await server.store.list("/registry/example.dev/gadgets/")).items.length, 0);
  await server.server.close();
});

test("objects with finalizers hold the definition, and nothing new is created meanwhile", async () => {
  const server = await openTestServer();
  await define(server);
  const held = { ...gadget("a"), metadata: { name: "a", finalizers: ["example.dev/hold"] } };
  await server.call("POST", gadgetsPath, { body: held });
  await server.call("DELETE", gadgets);
  assert.equal((await conditionsOf(server))["Terminating"], "True/InstanceDeletionPending");
  const refused = await server.call("POST", gadgetsPath, { body: gadget("b") });
  assert.equal(refused.status, 405);
  assert.match(shown(refused.body["message"]), /create not allowed while custom resource definition is terminating/);
  const released = await server.call("PATCH", `${gadgetsPath}/a`, {
    body: { metadata: { finalizers: null } },
    headers: merge,
  });
  assert.equal(released.status, 200);
  await gone(server);
  await server.server.close();
});

test("names belong to who had them first, and are free again when that one goes", async () => {
  const server = await openTestServer();
  await define(server);
  const other = gadgetDefinition({ spec: { names: { kind: "Gadget", plural: "gadgetz", shortNames: ["gd", "gz"] } } });
  const path = `${definitionsPath}/gadgetz.example.dev`;
  await server.call("POST", definitionsPath, { body: { ...other, metadata: { name: "gadgetz.example.dev" } } });
  assert.deepEqual(await conditionsOf(server, path), {
    NamesAccepted: "False/ListKindConflict",
    Established: "False/NotAccepted",
  });
  assert.equal((await server.call("GET", "/apis/example.dev/v1/gadgetz")).status, 404);
  await server.call("DELETE", gadgets);
  await gone(server);
  await server.call("GET", "/apis/example.dev/v1/gadgetz");
  assert.equal((await conditionsOf(server, path))["Established"], "True/InitialNamesAccepted");
  assert.equal((await server.call("GET", "/apis/example.dev/v1/gadgetz")).status, 200);
  await server.server.close();
});

test("a changed schema holds for the next request; watches on the old one end", async () => {
  const server = await openTestServer();
  await define(server);
  const watch = text((await server.send("GET", `${gadgetsPath}?watch=true`)).body);
  await server.call("POST", gadgetsPath, { body: gadget("a") });
  const { body } = await server.call("GET", gadgets);
  const spec = gadgetDefinition({ schema: { properties: { size: { type: "integer", maximum: 5 } } } })["spec"];
  assert.equal((await server.call("PUT", gadgets, { body: { ...body, spec } })).status, 200);
  const refused = await server.call("POST", gadgetsPath, { body: gadget("b", { size: 6 }) });
  assert.equal(refused.status, 422);
  assert.match(await watch, /"type":"ADDED".*"name":"a"/);
  await server.server.close();
});

test("the definitions can be watched, and a write that changes labels only ends no watch on objects", async () => {
  const server = await openTestServer();
  const end = new AbortController();
  const watch = text((await server.send("GET", `${definitionsPath}?watch=true`, { signal: end.signal })).body);
  await define(server);
  const objects = (await server.send("GET", `${gadgetsPath}?watch=true`, { signal: end.signal })).body;
  const events = text(objects);
  await server.call("PATCH", gadgets, { body: { metadata: { labels: { a: "b" } } }, headers: merge });
  await server.call("POST", gadgetsPath, { body: gadget("late") });
  end.abort();
  assert.match(await watch, /"type":"ADDED".*gadgets.example.dev/);
  await events;
  await server.server.close();
});

test("another server of the same store serves the kind, and a restarted one too", async () => {
  const store = openMemoryStore();
  const one = await openTestServer({ store });
  const two = await openTestServer({ store });
  await define(one);
  assert.equal((await two.call("POST", gadgetsPath, { body: gadget("a") })).status, 201);
  await one.call("DELETE", gadgets);
  await gone(one);
  assert.equal((await two.call("GET", gadgetsPath)).status, 404);
  await define(two);
  await one.server.close();
  await two.server.close();
  const three = await openTestServer({ store });
  assert.equal((await three.call("GET", gadgetsPath)).status, 200);
  await three.server.close();
});

test("a start without changes writes nothing", async () => {
  const store = openMemoryStore();
  await (await openTestServer({ store })).server.close();
  const revision = await store.revision();
  await (await openTestServer({ store })).server.close();
  assert.equal(await store.revision(), revision);
});

const invalid: readonly (readonly [string, Parameters<typeof gadgetDefinition>[0], string])[] = [
  [
    "a name that is not plural and group",
    { spec: { names: { kind: "Gadget", plural: "things" } } },
    'metadata.name: Invalid value: "gadgets.example.dev": must be spec.names.plural+"."+spec.group',
  ],
  ["no group", { spec: { group: "" } }, "spec.group: Required value"],
  [
    "a protected group",
    { spec: { group: "apps.k8s.io" } },
    'protected groups must have approval annotation "api-approved.kubernetes.io"',
  ],
  ["no storage version", { version: { storage: false } }, "must have exactly one version marked as storage version"],
  [
    "no schema",
    { version: { schema: undefined } },
    "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
  ],
  [
    "a field without type",
    { schema: { properties: { a: { description: "?" } } } },
    "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
  ],
  [
    "properties and additionalProperties",
    { schema: { properties: {}, additionalProperties: { type: "string" } } },
    "properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
  ],
  [
    "a default that is not valid",
    { schema: { properties: { a: { type: "integer", default: "x" } } } },
    'properties[a].default: Invalid value: "string": default in body must be of type integer: "string"',
  ],
  [
    "a map list without keys",
    { schema: { properties: { a: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" } } } },
    "x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
  ],
  [
    "types within anyOf",
    { schema: { anyOf: [{ type: "object" }] } },
    "properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
  ],
  [
    "a keyword of the wrong type",
    { schema: { properties: { a: { type: "string", minLength: "1" } } } },
    'properties[a].minLength: Invalid value: "string": spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[a].minLength in body must be of type integer: "string"',
  ],
  [
    "a pattern that is none",
    { schema: { properties: { a: { type: "string", pattern: "(" } } } },
    'properties[a].pattern: Invalid value: "(": must be a valid regular expression',
  ],
  [
    "a selectable field that is not there",
    { version: { selectableFields: [{ jsonPath: ".spec.none" }] } },
    'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field',
  ],
  [
    "a column without path",
    { version: { additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: "" }] } },
    "spec.versions[0].additionalPrinterColumns[0].jsonPath: Required value",
  ],
  [
    "a scale of the status",
    { version: { subresources: { scale: { specReplicasPath: ".status.a", statusReplicasPath: ".status.b" } } } },
    'specReplicasPath: Invalid value: ".status.a": should be a json path under .spec',
  ],
  [
    "webhook conversion",
    { spec: { conversion: { strategy: "Webhook" } } },
    'Unsupported value: "Webhook": supported values: "None"',
  ],
];

for (const [what, options, message] of invalid)
  test(`a definition is refused for ${what}`, async () => {
    const server = await openTestServer();
    const { status, body } = await define(server, options);
    assert.equal(status, 422, JSON.stringify(body));
    assert.ok(shown(body["message"]).includes(message), shown(body["message"]));
    await server.server.close();
  });

test("unknown keywords of a schema are dropped with a warning", async () => {
  const server = await openTestServer();
  const answer = await define(server, { schema: { properties: { a: { type: "string", colour: "red" } } } });
  assert.equal(answer.status, 201);
  assert.match(String(answer.headers["warning"]), /unknown field .*properties\[a\]\.colour/);
  assert.ok(!JSON.stringify(answer.body).includes("colour"));
  await server.server.close();
});

test("what objects depend on cannot be changed", async () => {
  const server = await openTestServer();
  await define(server);
  const { body } = await server.call("GET", gadgets);
  const spec = body["spec"] as Json & object;
  const changed = { ...body, spec: { ...spec, scope: "Cluster", names: { ...spec["names"], kind: "Gidget" } } };
  const refused = await server.call("PUT", gadgets, { body: changed });
  assert.deepEqual(
    listOf(refused.body["details"]?.["causes"]).map((cause) => `${shown(cause["field"])}: ${shown(cause["message"])}`),
    [
      'spec.scope: Invalid value: "Cluster": field is immutable',
      'spec.names.kind: Invalid value: "Gidget": field is immutable',
    ],
  );
  await server.server.close();
});
