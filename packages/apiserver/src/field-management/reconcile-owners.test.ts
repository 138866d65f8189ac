import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { applyConfig } from "./apply-config.ts";
import type { Owner } from "./managed-fields.ts";
import { reconcileOwners } from "./reconcile-owners.ts";

const string: JsonSchema = { type: "string" };
const withParts = (form: Partial<JsonSchema>): JsonSchema => ({
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        map: { type: "object", additionalProperties: string, ...form },
        list: {
          type: "array",
          items: { type: "object", properties: { name: string, size: string } },
          ...(form["x-kubernetes-map-type"] === undefined && {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
          }),
        },
      },
    },
  },
});
const granular = withParts({});
const atomic = withParts({ "x-kubernetes-map-type": "atomic" });

const writer = { manager: "one", apiVersion: "example.dev/v1", time: "t" };
const config = { metadata: {}, spec: { map: { a: "1" }, list: [{ name: "x", size: "1" }] } };

function owned(): { object: typeof config; owners: Map<string, Owner> } {
  const { owners } = applyConfig({ live: { metadata: {} }, config, owners: new Map(), schema: granular, writer });
  return { object: config, owners };
}

test("what became atomic is owned as a whole by who owned a part of it", () => {
  const { object, owners } = owned();
  const [owner] = reconcileOwners(owners, object, atomic).values();
  assert.deepEqual(owner?.fields, { "f:spec": { "f:map": {}, "f:list": {} } });
});

test("so that another manager's change of it is a conflict", () => {
  const { object, owners } = owned();
  const { conflicts } = applyConfig({
    live: object,
    config: { metadata: {}, spec: { map: { b: "2" } } },
    owners: reconcileOwners(owners, object, atomic),
    schema: atomic,
    writer: { ...writer, manager: "two" },
  });
  assert.deepEqual(
    conflicts.map(({ owner, fields }) => [owner.manager, fields]),
    [["one", { "f:spec": { "f:map": {} } }]],
  );
});

test("what the schema says as before stays as it is", () => {
  const { object, owners } = owned();
  assert.deepEqual(reconcileOwners(owners, object, granular), owners);
});
