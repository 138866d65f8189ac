import assert from "node:assert/strict";
import { test } from "node:test";
import { define, gadget, gadgetsPath } from "../testing/gadget.ts";
import { openTestServer, shown, type TestServer } from "../testing/test-server.ts";

const scalePath = `${gadgetsPath}/a/scale`;
const merge = { "content-type": "application/merge-patch+json" };

async function openScalable(): Promise<TestServer> {
  const server = await openTestServer();
  const scale = {
    specReplicasPath: ".spec.pool.count",
    statusReplicasPath: ".status.count",
    labelSelectorPath: ".status.selector",
  };
  await define(server, {
    schema: { properties: { pool: { type: "object", properties: { count: { type: "integer", maximum: 5 } } } } },
    version: { subresources: { status: {}, scale } },
  });
  await server.call("POST", gadgetsPath, { body: gadget("a", {}) });
  return server;
}

test("Scale shows the fields that the definition names", async () => {
  const server = await openScalable();
  const empty = await server.call("GET", scalePath);
  assert.deepEqual([empty.body["spec"], empty.body["status"]], [{ replicas: 0 }, { replicas: 0 }]);
  await server.call("PATCH", `${gadgetsPath}/a/status`, {
    body: { status: { count: 2, selector: "app=a" } },
    headers: merge,
  });
  const { body } = await server.call("GET", scalePath);
  assert.deepEqual([body["kind"], body["apiVersion"]], ["Scale", "autoscaling/v1"]);
  assert.deepEqual(body["status"], { replicas: 2, selector: "app=a" });
  await server.server.close();
});

test("PUT and PATCH of Scale change the wanted number and nothing else", async () => {
  const server = await openScalable();
  const patched = await server.call("PATCH", scalePath, { body: { spec: { replicas: 3 } }, headers: merge });
  assert.deepEqual([patched.status, patched.body["kind"], patched.body["spec"]], [200, "Scale", { replicas: 3 }]);
  const put = await server.call("PUT", scalePath, { body: { ...patched.body, spec: { replicas: 4 } } });
  assert.deepEqual(put.body["spec"], { replicas: 4 });
  const stale = await server.call("PUT", scalePath, { body: { ...patched.body, spec: { replicas: 5 } } });
  assert.equal(stale.status, 409);
  const { body } = await server.call("GET", `${gadgetsPath}/a`);
  assert.deepEqual([body["spec"], body["metadata"]?.["generation"]], [{ pool: { count: 4 } }, 3]);
  await server.server.close();
});

test("what the schema refuses, or is no Scale, is refused", async () => {
  const server = await openScalable();
  const refused = await server.call("PATCH", scalePath, { body: { spec: { replicas: 6 } }, headers: merge });
  assert.equal(refused.status, 422);
  assert.match(shown(refused.body["message"]), /spec\.pool\.count.*less than or equal to 5/);
  const negative = await server.call("PATCH", scalePath, { body: { spec: { replicas: -1 } }, headers: merge });
  assert.match(shown(negative.body["message"]), /spec\.replicas: Invalid value: -1/);
  assert.equal((await server.call("PUT", scalePath, { body: gadget("a") })).status, 400);
  assert.equal((await server.call("GET", `${gadgetsPath}/none/scale`)).status, 404);
  await server.server.close();
});
