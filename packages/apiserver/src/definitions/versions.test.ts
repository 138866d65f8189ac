import assert from "node:assert/strict";
import { test } from "node:test";
import { definitionsPath, gadget, gadgetDefinition, gadgetsPath } from "../testing/gadget.ts";
import { listOf, openTestServer, shown, type Json, type TestServer } from "../testing/test-server.ts";

const definitionPath = `${definitionsPath}/gadgets.example.dev`;
const merge = { "content-type": "application/merge-patch+json" };
const betaPath = gadgetsPath.replace("/v1/", "/v1beta1/");

const schema = {
  openAPIV3Schema: {
    type: "object",
    properties: { spec: { type: "object", properties: { size: { type: "integer" } } } },
  },
};
const v1beta1 = { name: "v1beta1", served: true, storage: true, schema };
const v1 = { name: "v1", served: true, storage: false, schema };

async function openWith(...versions: readonly object[]): Promise<TestServer> {
  const server = await openTestServer();
  const created = await server.call("POST", definitionsPath, { body: gadgetDefinition({ spec: { versions } }) });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  return server;
}

async function setVersions(server: TestServer, ...versions: readonly object[]) {
  return server.call("PATCH", definitionPath, { body: { spec: { versions } }, headers: merge });
}

test("an object is read, written and watched in every served version", async () => {
  const server = await openWith(v1beta1, v1);
  await server.call("POST", gadgetsPath, { body: gadget("a") });
  assert.equal((await server.call("GET", `${betaPath}/a`)).body["apiVersion"], "example.dev/v1beta1");
  assert.equal((await server.call("GET", `${gadgetsPath}/a`)).body["apiVersion"], "example.dev/v1");
  const [item] = listOf((await server.call("GET", gadgetsPath)).body["items"]);
  assert.equal(item?.["apiVersion"], "example.dev/v1");
  const watch = await server.send("GET", `${gadgetsPath}?watch=true&timeoutSeconds=1`);
  const chunks: string[] = [];
  for await (const chunk of watch.body as AsyncIterable<Uint8Array>) chunks.push(Buffer.from(chunk).toString());
  assert.match(chunks.join(""), /"apiVersion":"example.dev\/v1","kind":"Gadget"/);
  const [stored] = (await server.store.list("/registry/example.dev/gadgets/")).items;
  assert.match(Buffer.from(stored?.value ?? []).toString(), /"apiVersion":"example.dev\/v1beta1"/);
  await server.server.close();
});

test("a version that is not served is not found, but keeps its objects", async () => {
  const server = await openWith(v1beta1, v1);
  await server.call("POST", gadgetsPath, { body: gadget("a") });
  await setVersions(server, { ...v1beta1, served: false }, v1);
  assert.equal((await server.call("GET", `${betaPath}/a`)).status, 404);
  assert.equal((await server.call("GET", `${gadgetsPath}/a`)).status, 200);
  await server.server.close();
});

test("objects that were stored in an older version are shown in the one that is asked for", async () => {
  const server = await openWith(v1beta1, v1);
  await server.call("POST", betaPath, { body: { ...gadget("a"), apiVersion: "example.dev/v1beta1" } });
  await setVersions(server, { ...v1beta1, storage: false }, { ...v1, storage: true });
  assert.equal((await server.call("GET", `${gadgetsPath}/a`)).body["apiVersion"], "example.dev/v1");
  assert.equal((await server.call("GET", `${betaPath}/a`)).body["apiVersion"], "example.dev/v1beta1");
  await server.server.close();
});

test("a version with stored objects cannot be removed until storedVersions says that there are none", async () => {
  const server = await openWith(v1beta1, v1);
  const stored = async () => (await server.call("GET", definitionPath)).body["status"]?.["storedVersions"];
  const next = { ...v1, storage: true };
  await setVersions(server, { ...v1beta1, storage: false }, next);
  assert.deepEqual(await stored(), ["v1beta1", "v1"]);
  const refused = await setVersions(server, next);
  assert.equal(refused.status, 422);
  assert.match(
    shown(refused.body["message"]),
    /status\.storedVersions\[0\]: Invalid value: "v1beta1": missing from spec\.versions/,
  );
  const migrated = await server.call("PATCH", `${definitionPath}/status`, {
    body: { status: { storedVersions: ["v1"] } },
    headers: merge,
  });
  assert.equal(migrated.status, 200);
  assert.equal((await setVersions(server, next)).status, 200);
  assert.equal((await server.call("GET", betaPath)).status, 404);
  await server.server.close();
});

test("a deprecated version warns, in its own words where it has some", async () => {
  const server = await openWith({ ...v1beta1, deprecated: true }, v1);
  const warned = async () => (await server.call("GET", betaPath)).headers["warning"];
  assert.deepEqual(await warned(), ['299 - "example.dev/v1beta1 Gadget is deprecated"']);
  await setVersions(server, { ...v1beta1, deprecated: true, deprecationWarning: "use v1" }, v1);
  assert.deepEqual(await warned(), ['299 - "use v1"']);
  assert.equal((await server.call("GET", gadgetsPath)).headers["warning"], undefined);
  await server.server.close();
});

test("discovery prefers the most stable version", async () => {
  const server = await openWith(v1beta1, { ...v1, name: "v2alpha1" }, { ...v1, name: "v2" });
  const { body } = await server.call("GET", "/apis/example.dev");
  assert.deepEqual(
    listOf(body["versions"]).map((each: Json) => each["version"]),
    ["v2", "v1", "v1beta1", "v2alpha1"],
  );
  await server.server.close();
});
