import assert from "node:assert/strict";
import { test } from "node:test";
import {
  listOf,
  openTestServer,
  shown,
  widget,
  widgetsPath,
  type Json,
  type TestServer,
} from "../testing/test-server.ts";

const all = "/apis/example.dev/v1/widgets";
const items = (body: Json) => listOf(body["items"]);
const names = (body: Json): unknown[] => items(body).map((item) => item["metadata"]?.["name"]);

async function withWidgets(count: number): Promise<TestServer> {
  const server = await openTestServer();
  for (let index = 0; index < count; index++)
    await server.call("POST", widgetsPath, {
      body: widget(`w${index}`, {
        metadata: { labels: { n: String(index), even: String(index % 2 === 0) } },
        spec: { color: index < 2 ? "green" : "red" },
      }),
    });
  return server;
}

test("a list has its kind, its resourceVersion and whole objects", async () => {
  const { call, store } = await withWidgets(2);
  const { body } = await call("GET", all);
  assert.deepEqual([body["kind"], body["apiVersion"]], ["WidgetList", "example.dev/v1"]);
  assert.equal(body["metadata"]?.["resourceVersion"], String(await store.revision()));
  assert.deepEqual(items(body)[0], (await call("GET", `${widgetsPath}/w0`)).body);
  assert.deepEqual(items((await call("GET", "/apis/example.dev/v1/namespaces/kube-system/widgets")).body), []);
});

test("pages make up one consistent list", async () => {
  const { call } = await withWidgets(5);
  const first = await call("GET", `${widgetsPath}?limit=2`);
  await call("DELETE", `${widgetsPath}/w3`);
  await call("POST", widgetsPath, { body: widget("w35") });
  const token = encodeURIComponent(shown(first.body["metadata"]?.["continue"]));
  const rest = await call("GET", `${widgetsPath}?continue=${token}`);
  assert.deepEqual([...names(first.body), ...names(rest.body)], ["w0", "w1", "w2", "w3", "w4"]);
  assert.equal(rest.body["metadata"]?.["resourceVersion"], first.body["metadata"]?.["resourceVersion"]);
  assert.equal(rest.body["metadata"]?.["continue"], undefined);
});

test("a page that compaction overtook is 410 Expired", async () => {
  const { call, store } = await withWidgets(3);
  const first = await call("GET", `${widgetsPath}?limit=1`);
  await call("POST", widgetsPath, { body: widget("new") });
  await store.compact(await store.revision());
  const token = encodeURIComponent(shown(first.body["metadata"]?.["continue"]));
  const { status, body } = await call("GET", `${widgetsPath}?limit=1&continue=${token}`);
  assert.deepEqual([status, body["reason"]], [410, "Expired"]);
  assert.equal((await call("GET", `${widgetsPath}?resourceVersion=1&resourceVersionMatch=Exact`)).status, 410);
  assert.equal((await call("GET", `${widgetsPath}?continue=nonsense`)).status, 400);
});

test("an old resourceVersion gives the newest list, with Exact the one of then", async () => {
  const { call, store } = await withWidgets(1);
  const then = await store.revision();
  await call("POST", widgetsPath, { body: widget("w1") });
  assert.equal(items((await call("GET", `${widgetsPath}?resourceVersion=${then}`)).body).length, 2);
  const exact = `${widgetsPath}?resourceVersion=${then}&resourceVersionMatch=Exact`;
  assert.equal(items((await call("GET", exact)).body).length, 1);
  assert.equal(items((await call("GET", `${widgetsPath}?resourceVersion=0`)).body).length, 2);
  assert.equal((await call("GET", `${widgetsPath}?resourceVersion=x`)).status, 400);
});

for (const [selector, found] of [
  ["n=1", ["w1"]],
  ["n==1", ["w1"]],
  ["n!=1", ["w0", "w2", "w3"]],
  ["n in (1, 3)", ["w1", "w3"]],
  ["n notin (1,3),even=true", ["w0", "w2"]],
  ["even", ["w0", "w1", "w2", "w3"]],
  ["!even", []],
  ["n>1", ["w2", "w3"]],
  ["", ["w0", "w1", "w2", "w3"]],
] as const)
  test(`label selector ${JSON.stringify(selector)}`, async () => {
    const { call } = await withWidgets(4);
    const { body } = await call("GET", `${widgetsPath}?labelSelector=${encodeURIComponent(selector)}`);
    assert.deepEqual(names(body), found);
  });

test("selectors that cannot be read are 400", async () => {
  const { call } = await withWidgets(0);
  for (const query of [
    "labelSelector=a+in+b",
    "labelSelector=a%3D%3D%3Db",
    "labelSelector=(",
    "fieldSelector=spec.size%3D1",
    "fieldSelector=x",
    "limit=-1",
  ])
    assert.equal((await call("GET", `${widgetsPath}?${query}`)).status, 400, query);
});

test("field selectors find by name, namespace and selectable fields", async () => {
  const { call } = await withWidgets(3);
  const find = async (selector: string, path = all) =>
    names((await call("GET", `${path}?fieldSelector=${encodeURIComponent(selector)}`)).body);
  assert.deepEqual(await find("metadata.name=w1"), ["w1"]);
  assert.deepEqual(await find("metadata.name=w1", widgetsPath), ["w1"]);
  assert.deepEqual(await find("metadata.name!=w1"), ["w0", "w2"]);
  assert.deepEqual(await find("metadata.namespace=default,spec.color=green"), ["w0", "w1"]);
  assert.deepEqual(await find("metadata.namespace=other"), []);
});

test("a limit counts what matches, not what is looked at", async () => {
  const { call } = await withWidgets(5);
  const { body } = await call("GET", `${widgetsPath}?limit=2&labelSelector=even%3Dtrue`);
  assert.deepEqual(names(body), ["w0", "w2"]);
  const token = encodeURIComponent(shown(body["metadata"]?.["continue"]));
  const rest = await call("GET", `${widgetsPath}?limit=2&labelSelector=even%3Dtrue&continue=${token}`);
  assert.deepEqual(names(rest.body), ["w4"]);
});

test("a Table has the kind's columns and partial objects", async () => {
  const { call } = await withWidgets(1);
  await call("PATCH", `${widgetsPath}/w0/status`, {
    body: {
      status: {
        conditions: [
          { type: "Other", status: "False" },
          { type: "Ready", status: "True" },
        ],
      },
    },
    headers: { "content-type": "application/merge-patch+json" },
  });
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const { body } = await call("GET", widgetsPath, { headers: { accept } });
  const columns = body["columnDefinitions"] as unknown as Json[];
  assert.deepEqual(
    columns.map((column) => [column["name"], column["type"], column["priority"]]),
    [
      ["Name", "string", 0],
      ["Size", "integer", 0],
      ["Ready", "string", 0],
      ["Color", "string", 1],
      ["Age", "date", 0],
    ],
  );
  const [row] = listOf(body["rows"]);
  assert.deepEqual(listOf(row?.["cells"]).slice(0, 4), ["w0", 1, "True", "green"]);
  assert.equal(row?.["object"]?.["kind"], "PartialObjectMetadata");
  const object = await call("GET", `${widgetsPath}?includeObject=Object`, { headers: { accept } });
  assert.equal(listOf(object.body["rows"])[0]?.["object"]?.["kind"], "Widget");
});

test("metadata alone, YAML and JSON are given as asked, protobuf alone is 406", async () => {
  const { call } = await withWidgets(1);
  const partial = await call("GET", widgetsPath, {
    headers: { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" },
  });
  assert.equal(partial.body["kind"], "PartialObjectMetadataList");
  assert.equal(items(partial.body)[0]?.["spec"], undefined);
  const yaml = await call("GET", widgetsPath, { headers: { accept: "application/yaml" } });
  assert.match(shown(yaml.body["text"]), /^kind: WidgetList$/m);
  const protobuf = "application/vnd.kubernetes.protobuf";
  assert.equal((await call("GET", widgetsPath, { headers: { accept: `${protobuf},application/json` } })).status, 200);
  assert.equal((await call("GET", widgetsPath, { headers: { accept: protobuf } })).status, 406);
});
