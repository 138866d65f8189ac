import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Host, Provider, VirtualMachine, VMClass, VMPlacementPolicy, VMSet } from "@vivarium/api";
import type { VirtualMachineSpec, VMClassSpec } from "@vivarium/api";
import { createManager } from "@vivarium/runtime";
import { headOf, machine } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { startApi } from "../testing/start-api.ts";
import { createSizeCheck } from "./size-check.ts";
import type { SizeCheck } from "./size-check.ts";

const gib = 1024 ** 3;

/** Provider `rack` with hosts `a` (4 CPUs, 4 GiB) and `b` (16 CPUs, 8 GiB), and what is given. */
async function lab(t: TestContext, { sized = true, machines = [] as readonly VirtualMachine[] } = {}) {
  const { client, logger } = await startApi(t);
  const hosts = ["a", "b"].map((name) => ({ name, endpoint: `sim://${name}` }));
  await client.create(Provider, { ...headOf(Provider, "rack"), spec: { type: "sim", hosts } });
  for (const [name, cpus, memory] of [
    ["a", 4, 4],
    ["b", 16, 8],
  ] as const) {
    const host = await client.create(Host, { ...headOf(Host, name), spec: { providerRef: { name: "rack" } } });
    const status = {
      allocatable: { cpus, memoryBytes: memory * gib },
      capacity: { cpus: cpus / 4, memoryBytes: memory * gib },
    };
    if (sized) await client.updateStatus(Host, { ...host, status });
  }
  const policy = { ...headOf(VMPlacementPolicy, "half"), spec: { resourceConstraints: { maxMemoryUtilization: 50 } } };
  await client.create(VMPlacementPolicy, policy);
  await client.create(VMClass, { ...headOf(VMClass, "small"), spec: { cpu: 1, memory: "1Gi" } });
  for (const vm of machines) await client.create(VirtualMachine, vm);
  const manager = createManager({ client, logger });
  const sizes = createSizeCheck(manager);
  const end = new AbortController();
  const running = manager.run({ signal: end.signal });
  t.after(async () => {
    end.abort();
    await running;
  });
  await eventually(async () => {
    const all = manager.cache(Host).list().length === 2 && manager.cache(VMPlacementPolicy).list().length === 1;
    return all && manager.cache(VirtualMachine).list().length === machines.length;
  }, "the caches");
  return sizes;
}

function vm(resources: VirtualMachineSpec["resources"], spec: VirtualMachineSpec = {}, name = "web"): VirtualMachine {
  return machine(name, { ...(resources === undefined ? {} : { resources }), ...spec });
}

function fieldsOf(sizes: SizeCheck, wanted: VirtualMachine, old?: VirtualMachine): readonly string[] {
  return sizes.machine(wanted, old).problems.map(({ field }) => field);
}

test("a machine that no host can ever take is told by field, with what it wants and what there is", async (t) => {
  const sizes = await lab(t);
  const found = sizes.machine(vm({ cpu: 17, memoryMiB: 9000 }), undefined);
  assert.deepEqual(found.problems, [
    {
      field: "spec.resources.cpu",
      message:
        'Invalid value: 17 CPUs: it can never be placed: the hosts of Provider "rack" may give VMs no more than: b 16 CPUs (has 4 CPUs), a 4 CPUs (has 1 CPUs)',
    },
    {
      field: "spec.resources.memoryMiB",
      message:
        'Invalid value: 9000 MiB: it can never be placed: the hosts of Provider "rack" may give VMs no more than: b 8192 MiB (has 8192 MiB), a 4096 MiB (has 4096 MiB)',
    },
  ]);
  assert.deepEqual(sizes.machine(vm({ cpu: 16, memoryMiB: 8192 }), undefined), { problems: [], warnings: [] });
});

test("of a host that is named, and under a policy, what counts is what these leave", async (t) => {
  const sizes = await lab(t);
  const named = sizes.machine(vm({ cpu: 5, memoryMiB: 1024 }, { placement: { host: "a" } }), undefined);
  assert.match(
    named.problems[0]?.message ?? "",
    /5 CPUs.* host "a" of Provider "rack" may give VMs no more than: a 4 CPUs/,
  );
  const halved = sizes.machine(vm({ cpu: 1, memoryMiB: 4097 }, { placementRef: { name: "half" } }), undefined);
  assert.match(halved.problems[0]?.message ?? "", /under VMPlacementPolicy "half" .*b 4096 MiB \(has 8192 MiB\)/);
});

test("what does not grow is let pass, and so is a domain that is there already and a Provider that is not known", async (t) => {
  const sizes = await lab(t);
  const large = vm({ cpu: 20, memoryMiB: 1024 });
  assert.deepEqual(fieldsOf(sizes, vm({ cpu: 19, memoryMiB: 1024 }, { powerState: "Off" }), large), []);
  assert.deepEqual(fieldsOf(sizes, vm({ cpu: 21, memoryMiB: 1024 }), large), ["spec.resources.cpu"]);
  const moved = vm({ cpu: 20, memoryMiB: 1024 }, { placement: { host: "b" } });
  assert.deepEqual(fieldsOf(sizes, moved, large), ["spec.resources.cpu"]);
  const uuid = "6a1f7a16-3f5e-4b6a-9f43-0f3f52a0c5a1";
  assert.deepEqual(fieldsOf(sizes, vm({ cpu: 20, memoryMiB: 1024 }, { adopt: { uuid } })), []);
  assert.deepEqual(fieldsOf(sizes, vm({ cpu: 20, memoryMiB: 1024 }, { providerRef: { name: "other" } })), []);
});

test("a set is judged by its template, and a larger class by the machines that have it", async (t) => {
  const machines = [
    vm(undefined, { classRef: { name: "small" } }, "web-0"),
    vm(undefined, { classRef: { name: "small" } }, "web-1"),
    vm({ cpu: 1 }, { classRef: { name: "small" } }, "own"),
  ];
  const sizes = await lab(t, { machines });
  const template = { metadata: { labels: { app: "web" } }, spec: { resources: { cpu: 32, memoryMiB: 1024 } } };
  const set: VMSet = { ...headOf(VMSet, "web"), spec: { selector: { matchLabels: { app: "web" } }, template } };
  assert.deepEqual(
    sizes.set(set, undefined).problems.map(({ field }) => field),
    ["spec.template.spec.resources.cpu"],
  );
  const vmClass = (spec: VMClassSpec): VMClass => ({ ...headOf(VMClass, "small"), spec });
  const grown = sizes.class(vmClass({ cpu: 32, memory: "2Gi" })).problems;
  assert.deepEqual(
    grown.map(({ field }) => field),
    ["spec.cpu"],
  );
  assert.match(
    grown[0]?.message ?? "",
    /^Invalid value: 32 CPUs: VM "default\/.*" and 1 more of the class could never/,
  );
  assert.deepEqual(sizes.class(vmClass({ cpu: 4, memory: "2Gi" })).problems, []);
});

test("while no host has told its size nothing is refused, and that is said", async (t) => {
  const sizes = await lab(t, { sized: false });
  const found = sizes.machine(vm({ cpu: 1000, memoryMiB: 1024 }), undefined);
  assert.deepEqual(found.problems, []);
  assert.match(found.warnings.join(), /not known yet: the hosts of Provider "rack" told no size/);
});
