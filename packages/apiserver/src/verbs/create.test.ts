import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestServer, shown, widget, widgetsPath } from "../testing/test-server.ts";

test("a created object has what the server owns, its defaults, and no status", async () => {
  const { call } = await openTestServer();
  const { status, body } = await call("POST", widgetsPath, {
    body: widget("a", {
      metadata: { uid: "mine", generation: 9, creationTimestamp: "2000-01-01T00:00:00Z" },
      spec: { parts: [{ name: "p" }], note: null },
      status: { phase: "Up" },
    }),
  });
  assert.equal(status, 201);
  assert.match(shown(body["metadata"]?.["uid"]), /^[0-9a-f-]{36}$/);
  assert.equal(body["metadata"]?.["generation"], 1);
  assert.notEqual(body["metadata"]?.["creationTimestamp"], "2000-01-01T00:00:00Z");
  assert.equal(body["metadata"]?.["namespace"], "default");
  assert.equal(body["status"], undefined);
  assert.deepEqual(body["spec"], { size: 1, parts: [{ name: "p", count: 1 }], note: null, color: "red" });
  const got = await call("GET", `${widgetsPath}/a`);
  assert.deepEqual(got.body, body);
});

test("every field error is listed, in Kubernetes' words", async () => {
  const { call } = await openTestServer();
  const { status, body } = await call("POST", widgetsPath, {
    body: {
      ...widget("Bad_Name", {
        metadata: { labels: { "a b": "x" } },
        spec: {
          size: 0,
          color: "blue",
          port: 1.5,
          note: "much too long",
          options: { a: 1 },
          parts: [{ name: "p" }, { name: "p" }, {}],
        },
      }),
    },
  });
  assert.equal(status, 422);
  assert.equal(body["reason"], "Invalid");
  const causes = body["details"]?.["causes"] as unknown as { field: string; reason: string; message: string }[];
  const of = (field: string) => causes.find((cause) => cause.field === field);
  assert.equal(of("spec.size")?.message, "Invalid value: 0: spec.size in body should be greater than or equal to 1");
  assert.equal(of("spec.color")?.message, 'Unsupported value: "blue": supported values: "red", "green"');
  assert.equal(of("spec.port")?.reason, "FieldValueTypeInvalid");
  assert.equal(of("spec.note")?.message, "Too long: may not be more than 10 bytes");
  assert.equal(
    of("spec.options.a")?.message,
    'Invalid value: "integer": spec.options.a in body must be of type string: "integer"',
  );
  assert.equal(of("spec.parts[1]")?.message, 'Duplicate value: {"name":"p"}');
  assert.equal(of("spec.parts[2].name")?.message, "Required value");
  assert.match(shown(of("metadata.name")?.message), /^Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/);
  assert.equal(of("metadata.labels")?.reason, "FieldValueInvalid");
  assert.match(shown(body["message"]), /^Widget\.example\.dev "Bad_Name" is invalid: \[metadata\.name: /);
});

test("one field error stands without brackets", async () => {
  const { call } = await openTestServer();
  const { body } = await call("POST", widgetsPath, { body: { ...widget("a"), spec: {} } });
  assert.equal(body["message"], 'Widget.example.dev "a" is invalid: spec.size: Required value');
});

test("unknown fields are refused, warned of or dropped as fieldValidation asks, and never stored", async () => {
  const { call } = await openTestServer();
  const body = widget("a", {
    metadata: { bogus: 1 },
    spec: { sizes: 1, free: { any: 1 }, parts: [{ name: "p", x: 1 }] },
    extra: 1,
  });
  const strict = await call("POST", `${widgetsPath}?fieldValidation=Strict`, { body });
  assert.equal(strict.status, 400);
  assert.equal(
    strict.body["message"],
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "metadata.bogus", unknown field "spec.sizes", unknown field "spec.parts[0].x", unknown field "extra"',
  );
  const warned = await call("POST", `${widgetsPath}?dryRun=All`, { body });
  assert.equal((warned.headers["warning"] as string[]).length, 4);
  assert.equal((warned.headers["warning"] as string[])[0], '299 - "unknown field \\"metadata.bogus\\""');
  const ignored = await call("POST", `${widgetsPath}?fieldValidation=Ignore`, { body });
  assert.equal(ignored.headers["warning"], undefined);
  assert.deepEqual(ignored.body["spec"], { size: 1, color: "red", free: { any: 1 }, parts: [{ name: "p", count: 1 }] });
});

test("a name that is taken is AlreadyExists; a generated one is made until it is free", async () => {
  const { call } = await openTestServer();
  await call("POST", widgetsPath, { body: widget("a") });
  const again = await call("POST", widgetsPath, { body: widget("a") });
  assert.deepEqual(
    [again.status, again.body["reason"], again.body["message"]],
    [409, "AlreadyExists", 'widgets.example.dev "a" already exists'],
  );
  const generated = { ...widget(""), metadata: { generateName: "gen-" } };
  const names = await Promise.all(
    Array.from(
      { length: 20 },
      async () => (await call("POST", widgetsPath, { body: generated })).body["metadata"]?.["name"],
    ),
  );
  assert.equal(new Set(names).size, 20);
  assert.match(shown(names[0]), /^gen-[a-z0-9]{5}$/);
});

test("an object without any name is invalid", async () => {
  const { call } = await openTestServer();
  const { status, body } = await call("POST", widgetsPath, { body: { ...widget(""), metadata: {} } });
  assert.equal(status, 422);
  assert.match(shown(body["message"]), /metadata\.name: Required value: name or generateName is required/);
});

test("nothing is created in a namespace that does not exist, or by a dry run", async () => {
  const { call, store } = await openTestServer();
  const missing = await call("POST", "/apis/example.dev/v1/namespaces/nope/widgets", { body: widget("a") });
  assert.deepEqual([missing.status, missing.body["message"]], [404, 'namespaces "nope" not found']);
  const before = await store.revision();
  const dry = await call("POST", `${widgetsPath}?dryRun=All`, { body: widget("a") });
  assert.equal(dry.status, 201);
  assert.equal(dry.body["spec"]?.["color"], "red");
  assert.equal(await store.revision(), before);
});

test("YAML is taken like JSON; what is neither is 415, what is broken is 400", async () => {
  const { call } = await openTestServer();
  const yaml = "apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 2}\n";
  const headers = { "content-type": "application/yaml" };
  const created = await call("POST", widgetsPath, { body: yaml, headers });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  assert.equal((await call("POST", widgetsPath, { body: "a: [", headers })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: "a: &x [*x]", headers })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: "{", headers: {} })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: "", headers: {} })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: "x", headers: { "content-type": "text/html" } })).status, 415);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  assert.equal((await call("POST", widgetsPath, { body: deep })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: `{"__proto__":{}}` })).status, 400);
  assert.equal((await call("POST", widgetsPath, { body: new Uint8Array(3 * 1024 * 1024 + 1) })).status, 413);
});

test("an object of another kind, version or namespace is refused", async () => {
  const { call } = await openTestServer();
  for (const wrong of [{ kind: "Gadget" }, { apiVersion: "v1" }, { kind: undefined }, { apiVersion: 7 }]) {
    assert.equal(
      (await call("POST", widgetsPath, { body: { ...widget("a"), ...wrong } })).status,
      400,
      JSON.stringify(wrong),
    );
  }
  const elsewhere = widget("a", { metadata: { namespace: "kube-system" } });
  const { status, body } = await call("POST", widgetsPath, { body: elsewhere });
  assert.equal(status, 400);
  assert.match(shown(body["message"]), /namespace of the provided object does not match/);
  assert.equal(
    (await call("POST", widgetsPath, { body: widget("a", { metadata: { resourceVersion: "1" } }) })).status,
    400,
  );
});

test("metadata of the wrong type is refused field by field", async () => {
  const { call } = await openTestServer();
  for (const metadata of [
    { name: 1 },
    { labels: { a: 1 } },
    { finalizers: "x" },
    { annotations: [] },
    { ownerReferences: [{}] },
  ]) {
    const { status } = await call("POST", widgetsPath, {
      body: { ...widget("a"), metadata: { name: "a", ...metadata } },
    });
    assert.equal(status, 422, JSON.stringify(metadata));
  }
});

test("the body may leave out kind and apiVersion of a core kind, and of no other", async () => {
  const { call } = await openTestServer();
  const { status, body } = await call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { metadata: { name: "c" } },
  });
  assert.deepEqual([status, body["kind"], body["apiVersion"]], [201, "ConfigMap", "v1"]);
  const { kind: _, ...bare } = widget("a");
  assert.equal((await call("POST", widgetsPath, { body: bare })).status, 400);
});

test("objects of a kind with an initial finalizer are held by it from the start, which is no applier's field", async () => {
  const finalizer = "example.dev/hold";
  const { call } = await openTestServer({ initialFinalizers: new Map([["widgets.example.dev", finalizer]]) });
  const own = { metadata: { finalizers: ["example.dev/mine"] } };
  const created = await call("POST", widgetsPath, { body: widget("a", own) });
  assert.deepEqual(created.body["metadata"]?.["finalizers"], ["example.dev/mine", finalizer]);
  const again = await call("POST", widgetsPath, { body: widget("b", { metadata: { finalizers: [finalizer] } }) });
  assert.deepEqual(again.body["metadata"]?.["finalizers"], [finalizer]);
  const apply = (size: number) =>
    call("PATCH", `${widgetsPath}/c?fieldManager=me`, {
      body: widget("c", { spec: { size, parts: [{ name: "p" }] } }),
      headers: { "content-type": "application/apply-patch+yaml" },
    });
  for (const size of [1, 2]) assert.deepEqual((await apply(size)).body["metadata"]?.["finalizers"], [finalizer]);
  await call("DELETE", `${widgetsPath}/c`);
  const held = await call("GET", `${widgetsPath}/c`);
  assert.notEqual(held.body["metadata"]?.["deletionTimestamp"], undefined);
});
