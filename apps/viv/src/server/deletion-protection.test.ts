import assert from "node:assert/strict";
import { test } from "node:test";
import { coreKinds, isStatus, kinds, toCustomResourceDefinition, VirtualMachine } from "@vivarium/api";
import { createApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import { openMemoryStore } from "@vivarium/store";
import { pino } from "pino";
import { deletionProtection } from "./deletion-protection.ts";

test("a protected VM is not deleted, by anybody, until it is no longer protected", async (t) => {
  const store = openMemoryStore();
  const server = await createApiServer({
    store,
    resources: coreKinds.map(toCustomResourceDefinition),
    definitions: kinds.map(toCustomResourceDefinition),
    admission: [deletionProtection],
    logger: pino({ level: "silent" }),
  });
  t.after(async () => {
    await server.close();
    await store.close();
  });
  const client = createClient(inProcessTransport(server.handle, { name: "root", groups: ["system:masters"] }));
  const key = { namespace: "default", name: "web" };
  await client.create(VirtualMachine, {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: key,
    spec: { deletionProtection: true },
  });
  await assert.rejects(
    client.delete(VirtualMachine, key),
    (error) => isStatus(error, "Forbidden") && /deletionProtection/.test(error.message),
  );
  await client.mergePatch(VirtualMachine, key, { spec: { deletionProtection: false } });
  await client.delete(VirtualMachine, key);
  await assert.rejects(client.get(VirtualMachine, key), (error) => isStatus(error, "NotFound"));
});
