import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { openTestServer, shown, type Json } from "../testing/test-server.ts";

const protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

test("the document says of each kind its group, version and kind, its fields and how its lists merge", async () => {
  const { call } = await openTestServer();
  const { headers, body } = await call("GET", "/openapi/v2");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(body["swagger"], "2.0");
  const widget = body["definitions"]?.["dev.example.v1.Widget"];
  assert.deepEqual(widget?.["x-kubernetes-group-version-kind"], [
    { group: "example.dev", version: "v1", kind: "Widget" },
  ]);
  const spec = widget["properties"]?.["spec"]?.["properties"];
  assert.deepEqual(spec?.["parts"]?.["x-kubernetes-list-map-keys"], ["name"]);
  assert.deepEqual(spec["port"], { "x-kubernetes-int-or-string": true });
  assert.equal(spec["note"]?.["type"], undefined, "nullable has no word in v2");
  assert.deepEqual(
    widget["properties"]?.["metadata"]?.["$ref"],
    "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
  );
});

test("every reference leads somewhere, and every array says of what", async () => {
  const { call } = await openTestServer();
  const { body } = await call("GET", "/openapi/v2");
  const definitions = Object.keys(body["definitions"] ?? {});
  const visit = (value: Json): void => {
    if (typeof value !== "object" || value === null) return;
    const { $ref, type, items } = value;
    if (typeof $ref === "string") assert.ok(definitions.includes(String($ref).replace("#/definitions/", "")), $ref);
    if (shown(type) === "array") assert.notEqual(items, undefined);
    for (const child of Object.values(value)) visit(child);
  };
  visit(body);
});

test("client-go gets it as protobuf", async () => {
  const { send } = await openTestServer();
  const { headers, body } = await send("GET", "/openapi/v2", { headers: { accept: protobuf } });
  assert.equal(headers["content-type"], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  assert.ok(body instanceof Uint8Array);
  const names: string[] = [];
  const reader = new BinaryReader(body);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field !== 9) {
      reader.skip(wire);
      continue;
    }
    const definitions = new BinaryReader(reader.bytes());
    while (definitions.pos < definitions.len) {
      assert.equal(definitions.tag()[0], 1);
      const named = new BinaryReader(definitions.bytes());
      named.tag();
      names.push(named.string());
    }
  }
  assert.ok(names.includes("dev.example.v1.Widget"));
  assert.ok(names.includes("io.k8s.api.core.v1.ConfigMap"));
});
