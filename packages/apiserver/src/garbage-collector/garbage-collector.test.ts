import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import {
  listOf,
  openTestServer,
  shown,
  widget,
  widgetsPath,
  type Json,
  type TestServer,
} from "../testing/test-server.ts";

const merge = { "content-type": "application/merge-patch+json" };

interface Owned {
  readonly name: string;
  readonly uid: string;
}

async function make(
  server: TestServer,
  name: string,
  owners: readonly Owned[] = [],
  more: object = {},
): Promise<Owned> {
  const ownerReferences = owners.map((owner) => ({
    apiVersion: "example.dev/v1",
    kind: "Widget",
    name: owner.name,
    uid: owner.uid,
    blockOwnerDeletion: true,
  }));
  const { status, body } = await server.call("POST", widgetsPath, {
    body: widget(name, { metadata: { ownerReferences, ...more } }),
  });
  assert.equal(status, 201, shown(body["message"]));
  return { name, uid: shown(body["metadata"]?.["uid"]) };
}

async function metadata({ call }: TestServer, name: string): Promise<Json | undefined> {
  const { status, body } = await call("GET", `${widgetsPath}/${name}`);
  return status === 404 ? undefined : body["metadata"];
}

/** Asks again and again, at each turn of the event loop: the collector works in the same process. */
async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setImmediate(resolve));
}

const gone = (server: TestServer, name: string): Promise<void> =>
  until(async () => (await metadata(server, name)) === undefined);

function remove({ call }: TestServer, name: string, propagationPolicy: string) {
  return call("DELETE", `${widgetsPath}/${name}`, {
    body: { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy },
  });
}

const options = { timeout: 10_000 };

test(
  "dependents of a deleted owner go, and theirs; an owner of the same name and another uid is another owner",
  options,
  async () => {
    const server = await openTestServer();
    const owner = await make(server, "owner");
    const child = await make(server, "child", [owner]);
    await make(server, "grandchild", [child]);
    await make(server, "stranger");
    await make(server, "impostor", [{ name: "stranger", uid: "0-0-0" }]);
    await gone(server, "impostor");
    assert.equal((await remove(server, "owner", "Background")).body["status"], "Success");
    await gone(server, "grandchild");
    assert.equal(await metadata(server, "child"), undefined);
    assert.notEqual(await metadata(server, "stranger"), undefined);
    await server.server.close();
  },
);

test("a dependent stays while one owner stays, and forgets the one that went", options, async () => {
  const server = await openTestServer();
  const [a, b] = [await make(server, "a"), await make(server, "b")];
  await make(server, "child", [a, b]);
  await remove(server, "a", "Background");
  await until(async () => listOf((await metadata(server, "child"))?.["ownerReferences"]).length === 1);
  assert.equal((await metadata(server, "child"))?.["ownerReferences"]?.["0"]?.["uid"], b.uid);
  await remove(server, "b", "Background");
  await gone(server, "child");
  await server.server.close();
});

test("in the foreground the owner goes after the dependents that block it", options, async () => {
  const server = await openTestServer();
  const owner = await make(server, "owner");
  await make(server, "held", [owner], { finalizers: ["example.dev/x"] });
  const answer = await remove(server, "owner", "Foreground");
  assert.deepEqual(answer.body["metadata"]?.["finalizers"], ["foregroundDeletion"]);
  await until(async () => (await metadata(server, "held"))?.["deletionTimestamp"] !== undefined);
  assert.notEqual(await metadata(server, "owner"), undefined);
  await server.call("PATCH", `${widgetsPath}/held`, { body: { metadata: { finalizers: null } }, headers: merge });
  await gone(server, "owner");
  assert.equal(await metadata(server, "held"), undefined);
  await server.server.close();
});

test("owners that wait for each other in a circle both go", options, async () => {
  const server = await openTestServer();
  const a = await make(server, "a");
  const b = await make(server, "b", [a]);
  await server.call("PATCH", `${widgetsPath}/a`, {
    body: {
      metadata: {
        ownerReferences: [
          { apiVersion: "example.dev/v1", kind: "Widget", name: "b", uid: b.uid, blockOwnerDeletion: true },
        ],
      },
    },
    headers: merge,
  });
  await remove(server, "a", "Foreground");
  await gone(server, "a");
  await gone(server, "b");
  await server.server.close();
});

test("orphaning sets the dependents free before the owner goes", options, async () => {
  const server = await openTestServer();
  const owner = await make(server, "owner");
  await make(server, "child", [owner]);
  await remove(server, "owner", "Orphan");
  await gone(server, "owner");
  assert.equal((await metadata(server, "child"))?.["ownerReferences"], undefined);
  await server.server.close();
});

test("the old orphanDependents says the same, and excludes the policy", options, async () => {
  const server = await openTestServer();
  const owner = await make(server, "owner");
  await make(server, "child", [owner]);
  const both = await server.call("DELETE", `${widgetsPath}/owner`, {
    body: { orphanDependents: true, propagationPolicy: "Orphan" },
  });
  assert.deepEqual(
    [both.status, both.body["message"]],
    [
      422,
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    ],
  );
  await server.call("DELETE", `${widgetsPath}/owner?orphanDependents=true`);
  await gone(server, "owner");
  assert.notEqual(await metadata(server, "child"), undefined);
  await server.server.close();
});

test("an owner in another namespace is none: the dependent goes, and an event says why", options, async () => {
  const server = await openTestServer();
  await server.call("POST", "/api/v1/namespaces", {
    body: { apiVersion: "v1", kind: "Namespace", metadata: { name: "b" } },
  });
  const owner = await server.call("POST", "/apis/example.dev/v1/namespaces/b/widgets", { body: widget("owner") });
  const uid = shown(owner.body["metadata"]?.["uid"]);
  await make(server, "child", [{ name: "owner", uid }]);
  await gone(server, "child");
  const events = await server.call("GET", "/api/v1/namespaces/default/events");
  const [event] = listOf(events.body["items"]);
  assert.equal(event?.["reason"], "OwnerRefInvalidNamespace");
  assert.equal(
    event?.["message"],
    `ownerRef [example.dev/v1/Widget, namespace: default, name: owner, uid: ${uid}] does not exist in namespace "default"`,
  );
  await server.server.close();
});

test("a namespaced owner of a cluster-scoped object cannot be resolved: it is kept", options, async () => {
  const server = await openTestServer();
  const owner = await make(server, "owner");
  const ownerReferences = [{ apiVersion: "example.dev/v1", kind: "Widget", ...owner }];
  await server.call("POST", "/api/v1/namespaces", {
    body: { apiVersion: "v1", kind: "Namespace", metadata: { name: "kept", ownerReferences } },
  });
  await remove(server, "owner", "Background");
  await until(
    async () => listOf((await server.call("GET", "/api/v1/namespaces/default/events")).body["items"]).length === 1,
  );
  assert.equal((await server.call("GET", "/api/v1/namespaces/kept")).status, 200);
  await server.server.close();
});

test("what became of an owner while the collector did not run is found when it starts", options, async () => {
  const store = openMemoryStore();
  const idle = await openTestServer({ store, runsTasks: false });
  const owner = await make(idle, "owner");
  const held = await make(idle, "foreground");
  await make(idle, "child", [owner]);
  await make(idle, "blocking", [held]);
  await remove(idle, "owner", "Background");
  await remove(idle, "foreground", "Foreground");
  assert.notEqual(await metadata(idle, "child"), undefined);
  await idle.server.close();
  const server = await openTestServer({ store });
  await gone(server, "child");
  await gone(server, "foreground");
  assert.equal(await metadata(server, "blocking"), undefined);
  await server.server.close();
});

test("a dependent that is made after its owner went goes too", options, async () => {
  const server = await openTestServer();
  const owner = await make(server, "owner");
  await remove(server, "owner", "Background");
  await make(server, "late", [owner]);
  await gone(server, "late");
  await server.server.close();
});
