import assert from "node:assert/strict";
import { test } from "node:test";
import { coreKinds, kinds, toCustomResourceDefinition, VirtualMachine, VMClass, VMSet } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import { createApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import type { ChangePlanner } from "@vivarium/controllers";
import { openMemoryStore } from "@vivarium/store";
import { pino } from "pino";
import { changeWarnings } from "./change-warnings.ts";

const apiVersion = "infra.virtrigaud.io/v1beta1";
const metadata = { namespace: "default", name: "web" };

const planner: ChangePlanner = {
  planMachine: async (vm, wanted) => ({
    name: vm.metadata.name,
    powerCyclePolicy: wanted.spec.lifecycle?.reconfigurePolicy ?? "Manual",
    changes: [{ path: "spec.resources.cpu", from: "1", to: "2", effect: "restart", reason: "no room" }],
  }),
  planClass: async () =>
    Array.from({ length: 22 }, (_, index) => ({
      name: `vm-${index}`,
      powerCyclePolicy: "Manual",
      changes: [{ path: "class: cpu", to: "2", effect: "live", reason: "added" }],
    })),
  planSet: (_set, wanted) => ({
    changes: [
      { path: "spec.template.spec.imageRef.name", from: '"v1"', to: '"v2"', effect: "recreate", reason: "replaced" },
      { path: "spec.template", effect: "unknown", reason: "ClassNotFound: none" },
    ],
    rollout: {
      replaced: [["web-3", "web-2"], ["web-1"]],
      kept: ["web-0"],
      surge: ["web-4"],
      added: [],
      deleted: wanted.spec.replicas === 4 ? [] : ["web-3"],
    },
  }),
};

async function lab(t: { after(end: () => Promise<void>): void }, running: ChangePlanner | undefined) {
  const store = openMemoryStore();
  const server = await createApiServer({
    store,
    resources: coreKinds.map(toCustomResourceDefinition),
    definitions: kinds.map(toCustomResourceDefinition),
    admission: [changeWarnings(() => running)],
    logger: pino({ level: "silent" }),
  });
  t.after(async () => {
    await server.close();
    await store.close();
  });
  const client = createClient(inProcessTransport(server.handle, { name: "root", groups: ["system:masters"] }));
  await client.create(VirtualMachine, {
    apiVersion,
    kind: "VirtualMachine",
    metadata,
    spec: { resources: { cpu: 1 } },
  });
  await client.create(VMClass, { apiVersion, kind: "VMClass", metadata, spec: { cpu: 1, memory: "1Gi" } });
  const template = { metadata: { labels: { app: "web" } }, spec: { imageRef: { name: "v1" } } };
  await client.create(VMSet, {
    apiVersion,
    kind: "VMSet",
    metadata,
    spec: { replicas: 3, selector: { matchLabels: { app: "web" } }, template },
  });
  return async <T extends KubeObject>(type: ResourceType<T>, spec: object, dryRun = true) => {
    const warnings: string[] = [];
    await client.mergePatch(type, metadata, { spec }, { dryRun, onWarning: (line) => warnings.push(line) });
    return warnings;
  };
}

test("who tries a change is told what it would do; who makes it is not, nor who changes nothing", async (t) => {
  const told = await lab(t, planner);
  const change = { resources: { cpu: 2 } };
  assert.deepEqual(await told(VirtualMachine, change), [
    "restart: spec.resources.cpu 1 to 2 (no room)",
    "what needs a restart waits for one by hand: spec.lifecycle.reconfigurePolicy is Manual",
  ]);
  assert.match(
    (await told(VirtualMachine, { ...change, lifecycle: { reconfigurePolicy: "Graceful" } })).join("\n"),
    /is shut down for it, and started again/,
  );
  assert.deepEqual(await told(VirtualMachine, { resources: { cpu: 1 } }), []);
  assert.deepEqual(await told(VirtualMachine, change, false), []);
});

test("a class is told for each of its machines, as far as anybody reads", async (t) => {
  const lines = await (await lab(t, planner))(VMClass, { cpu: 2 });
  assert.equal(lines[0], "VM vm-0: live: class: cpu absent to 2 (added)");
  assert.deepEqual([lines.length, lines.at(-1)], [21, "and 2 VMs more"]);
});

test("a set is told by what becomes of its machines", async (t) => {
  const told = await lab(t, planner);
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
  assert.deepEqual(
    await told(VMSet, { replicas: 2, updateStrategy, template: { spec: { imageRef: { name: "v2" } } } }),
    [
      'recreate: spec.template.spec.imageRef.name "v1" to "v2" (replaced)',
      "unknown: spec.template (ClassNotFound: none)",
      "3 machines are made anew, disks included, those joined by + at the same time: web-3 + web-2, web-1, while web-4 is there beside them",
      "1 machine is kept: web-0 (spec.updateStrategy.rollingUpdate.partition is 1)",
      "1 machine is deleted: web-3",
    ],
  );
});

test("a server that does not run the controllers says that it cannot tell", async (t) => {
  const told = await lab(t, undefined);
  assert.match((await told(VirtualMachine, { resources: { cpu: 2 } })).join(), /controllers do not run in this server/);
});
