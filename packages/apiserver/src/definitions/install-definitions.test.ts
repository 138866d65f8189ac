import assert from "node:assert/strict";
import { test } from "node:test";
import { coreKinds, toCustomResourceDefinition } from "@vivarium/api";
import { openMemoryStore, type Store } from "@vivarium/store";
import { pino } from "pino";
import { createApiServer } from "../create-api-server.ts";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";

const name = "things.example.dev";
const key = `/registry/apiextensions.k8s.io/customresourcedefinitions/${name}`;

interface Stored {
  metadata: { labels?: Record<string, string>; generation?: number };
  spec: { versions: { name: string; schema: unknown }[]; scope: string };
  status: { storedVersions: string[] };
}

function definition(release: string, { field = "a", scope = "Cluster" as const, version = "v1" } = {}) {
  return {
    metadata: {
      name,
      labels: { "app.kubernetes.io/managed-by": "vivarium" },
      annotations: { "vivarium.dev/version": release },
    },
    spec: {
      group: "example.dev",
      scope,
      names: { kind: "Thing", plural: "things" },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { [field]: { type: "string" } } } },
        },
      ],
    },
  } satisfies CustomResourceDefinition;
}

async function startWith(store: Store, wanted: CustomResourceDefinition): Promise<Stored> {
  const logger = pino({ level: "silent" });
  const resources = coreKinds.map((kind) => toCustomResourceDefinition(kind));
  const server = await createApiServer({ store, resources, definitions: [wanted], logger, runsTasks: false });
  await server.close();
  return read(store);
}

async function read(store: Store): Promise<Stored> {
  const found = await store.get(key);
  assert.ok(found !== undefined);
  return JSON.parse(Buffer.from(found.value).toString()) as Stored;
}

const fieldsOf = (stored: Stored): string => JSON.stringify(stored.spec.versions);

test("a newer server brings its definitions up to date, an older one leaves them", async () => {
  const store = openMemoryStore();
  await startWith(store, definition("0.9.0"));
  const updated = await startWith(store, definition("0.10.0", { field: "b" }));
  assert.match(fieldsOf(updated), /"b"/);
  assert.equal(updated.metadata.generation, 2);
  assert.match(fieldsOf(await startWith(store, definition("0.9.0"))), /"b"/);
});

test("a definition without our label is a user's own and stays as it is", async () => {
  const store = openMemoryStore();
  const own = definition("9.0.0", { field: "mine" });
  await startWith(store, { ...own, metadata: { name, labels: { owner: "somebody" } } });
  assert.match(fieldsOf(await startWith(store, definition("9.1.0"))), /"mine"/);
});

test("a change that would lose stored objects is not made, and the server starts", async () => {
  const store = openMemoryStore();
  await startWith(store, definition("1.0.0"));
  const kept = await startWith(store, definition("2.0.0", { version: "v2" }));
  assert.deepEqual([kept.spec.versions.map((each) => each.name), kept.status.storedVersions], [["v1"], ["v1"]]);
});
