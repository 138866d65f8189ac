import assert from "node:assert/strict";
import { test } from "node:test";
import { coreKinds, isStatus, kinds, toCustomResourceDefinition, VirtualMachine } from "@vivarium/api";
import type { VirtualMachineSpec } from "@vivarium/api";
import { createApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import type { SizeCheck } from "@vivarium/controllers";
import { openMemoryStore } from "@vivarium/store";
import { pino } from "pino";
import { sizeAdmission } from "./size-admission.ts";

const fine = { problems: [], warnings: [] };

/** Hosts of 16 CPUs. */
const check: SizeCheck = {
  machine: ({ spec }) =>
    (spec.resources?.cpu ?? 0) > 16
      ? { ...fine, problems: [{ field: "spec.resources.cpu", message: "Invalid value: 17 CPUs: no" }] }
      : fine,
  set: () => fine,
  class: () => fine,
};

async function lab(t: { after(end: () => Promise<void>): void }, running: SizeCheck | undefined) {
  const store = openMemoryStore();
  const server = await createApiServer({
    store,
    resources: coreKinds.map(toCustomResourceDefinition),
    definitions: kinds.map(toCustomResourceDefinition),
    admission: [sizeAdmission(() => running)],
    logger: pino({ level: "silent" }),
  });
  t.after(async () => {
    await server.close();
    await store.close();
  });
  const warnings: string[] = [];
  const client = createClient(inProcessTransport(server.handle, { name: "root", groups: ["system:masters"] }));
  const create = (name: string, spec: VirtualMachineSpec) =>
    client.create(
      VirtualMachine,
      {
        apiVersion: "infra.virtrigaud.io/v1beta1",
        kind: "VirtualMachine",
        metadata: { namespace: "default", name },
        spec,
      },
      { onWarning: (line) => warnings.push(line) },
    );
  return { client, create, warnings };
}

test("what can never be placed is refused by field, at creation and when it grows; its status is written all the same", async (t) => {
  const { client, create } = await lab(t, check);
  await assert.rejects(create("large", { resources: { cpu: 17 } }), (error) => {
    assert.ok(isStatus(error, "Invalid"));
    assert.equal(
      error.message,
      'VirtualMachine.infra.virtrigaud.io "large" is invalid: spec.resources.cpu: Invalid value: 17 CPUs: no',
    );
    assert.deepEqual(
      error.details.causes?.map(({ field, reason }) => [field, reason]),
      [["spec.resources.cpu", "FieldValueInvalid"]],
    );
    return true;
  });
  const vm = await create("web", { resources: { cpu: 16 } });
  const key = { namespace: "default", name: "web" };
  const grow = client.mergePatch(VirtualMachine, key, { spec: { resources: { cpu: 17 } } });
  await assert.rejects(grow, (error) => isStatus(error, "Invalid"));
  await client.updateStatus(VirtualMachine, { ...vm, status: { message: "seen" } });
  await client.mergePatch(VirtualMachine, key, { metadata: { labels: { a: "b" } } });
});

test("a server that does not run the controllers lets it pass, and says that nobody looked", async (t) => {
  const { create, warnings } = await lab(t, undefined);
  await create("large", { resources: { cpu: 17 } });
  assert.match(warnings.join(), /was not checked: the controllers do not run in this server/);
});
