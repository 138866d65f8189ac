import assert from "node:assert/strict";
import { test } from "node:test";
import { define, definitionsPath, gadget, gadgetDefinition, gadgetsPath } from "../testing/gadget.ts";
import { openTestServer, shown } from "../testing/test-server.ts";

const merge = { "content-type": "application/merge-patch+json" };

const loose = { properties: { size: { type: "integer" }, color: { type: "string" }, parts: partsOf({}) } };
const strict = {
  properties: {
    size: { type: "integer", maximum: 5 },
    color: { type: "string", enum: ["red"] },
    parts: partsOf({ maximum: 5 }),
  },
};

function partsOf(count: object): object {
  const properties = { name: { type: "string" }, count: { type: "integer", ...count } };
  return {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    items: { type: "object", required: ["name"], properties },
  };
}

test("parts that stay as they are do not hold up an update under a stricter schema", async () => {
  const server = await openTestServer();
  await define(server, { schema: loose });
  const parts = [
    { name: "x", count: 9 },
    { name: "y", count: 1 },
  ];
  await server.call("POST", gadgetsPath, { body: gadget("a", { size: 9, color: "blue", parts }) });
  await server.call("PATCH", `${definitionsPath}/gadgets.example.dev`, {
    body: { spec: gadgetDefinition({ schema: strict })["spec"] },
    headers: merge,
  });
  const patch = (spec: object) => server.call("PATCH", `${gadgetsPath}/a`, { body: { spec }, headers: merge });
  assert.equal((await patch({ color: "red" })).status, 200);
  assert.equal((await patch({ parts: parts.toReversed() })).status, 200, "items are known by their keys");
  const grown = await patch({ size: 10 });
  assert.equal(grown.status, 422);
  assert.match(shown(grown.body["message"]), /spec\.size: Invalid value: 10/);
  const moved = await patch({ parts: [{ name: "z", count: 9 }] });
  assert.match(shown(moved.body["message"]), /spec\.parts\[0\]\.count: Invalid value: 9/);
  const other = await server.call("POST", gadgetsPath, { body: gadget("b", { size: 9 }) });
  assert.equal(other.status, 422, "new objects are held to the schema");
  await server.server.close();
});
