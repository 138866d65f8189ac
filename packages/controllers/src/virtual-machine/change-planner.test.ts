// What a change would do, told before it is made, and what the controller then does: the two must agree.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VMClass } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineSpec, VMClassSpec } from "@vivarium/api";
import { VmLab } from "../testing/vm-lab.ts";

const key = { namespace: "default", name: "small" };
const hot: Partial<VMClassSpec> = { performanceProfile: { cpuHotAddEnabled: true, memoryHotAddEnabled: true } };

async function lab(
  t: Parameters<typeof VmLab.start>[0],
  { vmClass = hot, spec = {} }: { readonly vmClass?: Partial<VMClassSpec>; readonly spec?: VirtualMachineSpec } = {},
) {
  const given = await VmLab.start(t);
  await given.client.mergePatch(VMClass, key, { spec: { cpu: 1, memory: "512Mi", ...vmClass } });
  await given.createVm("web", spec);
  const vm = await given.untilReady("web");
  const wish = (change: VirtualMachineSpec): VirtualMachine => ({ ...vm, spec: { ...vm.spec, ...change } });
  return {
    given,
    vm,
    effects: async (change: VirtualMachineSpec) => {
      const { changes } = await given.planner.planMachine(vm, wish(change), { signal: AbortSignal.timeout(60_000) });
      return changes.map(({ effect, path, reason }) => `${effect} ${path}: ${reason}`);
    },
  };
}

test("what the running machine can be changed in is live, the rest waits for a restart with its reason", async (t) => {
  const { effects } = await lab(t);
  assert.deepEqual(await effects({ resources: { cpu: 2, memoryMiB: 1024 } }), [
    "live spec.resources.cpu: CPUs are added while it runs",
    "live spec.resources.memoryMiB: memory is moved while it runs",
  ]);
  assert.deepEqual(await effects({ resources: { cpu: 8, memoryMiB: 8192 } }), [
    "restart spec.resources.cpu: started with room for 4",
    "restart spec.resources.memoryMiB: started with room for 2 GiB",
  ]);
});

test("nothing is said of a spec that stays", async (t) => {
  const { effects } = await lab(t);
  assert.deepEqual(await effects({}), []);
});

test("disks are plugged, grown, refused to shrink, and settled at their start", async (t) => {
  const disk = { name: "data", sizeGiB: 2, type: "thin", expandPolicy: "Online" } as const;
  const { effects } = await lab(t, { spec: { disks: [disk] } });
  assert.deepEqual(await effects({ disks: [disk, { name: "more", sizeGiB: 1 }] }), [
    "live spec.disks[more]: it is plugged in while the machine runs",
  ]);
  assert.deepEqual(await effects({ disks: [] }), ["live spec.disks[data]: the guest is asked to let go of it"]);
  assert.deepEqual(await effects({ disks: [{ ...disk, sizeGiB: 3 }] }), [
    "live spec.disks[data].sizeGiB: it grows while the machine runs",
  ]);
  assert.deepEqual(await effects({ disks: [{ ...disk, sizeGiB: 3, expandPolicy: "Offline" }] }), [
    "restart spec.disks[data].sizeGiB: its expandPolicy is Offline",
    "live spec.disks[data].expandPolicy: at once",
  ]);
  assert.deepEqual(await effects({ disks: [{ ...disk, sizeGiB: 1 }] }), [
    "refused spec.disks[data].sizeGiB: a disk does not shrink",
  ]);
  assert.deepEqual(await effects({ disks: [{ ...disk, bus: "scsi" }] }), [
    "restart spec.disks[data].bus: how the guest sees a disk is settled at its start",
  ]);
});

test("interfaces are plugged while it runs; what only a first boot reads needs another machine", async (t) => {
  const { effects } = await lab(t, { spec: { networks: [{ name: "a" }] } });
  assert.deepEqual(await effects({ networks: [{ name: "a", linkState: "Down" }, { name: "b" }] }), [
    "live spec.networks[a].linkState: interfaces are plugged and changed while the machine runs",
    "live spec.networks[b]: interfaces are plugged and changed while the machine runs",
  ]);
  assert.deepEqual(await effects({ networks: [{ name: "a", ipAddress: "192.168.122.50" }] }), [
    "recreate spec.networks[a].ipAddress: the guest reads it at its first boot only",
  ]);
  assert.deepEqual(
    await effects({ imageRef: { name: "other" }, userData: { cloudInit: { inline: "#cloud-config" } } }),
    [
      "recreate spec.imageRef.name: the root disk is made from it once",
      "recreate spec.userData.cloudInit.inline: the guest reads it at its first boot only",
    ],
  );
});

test("what cannot be is refused, what is not there is told, and what has no effect as well", async (t) => {
  const { effects } = await lab(t);
  assert.match(
    (await effects({ providerRef: { name: "other" } })).join("\n"),
    /refused spec: InvalidSpec: .*cannot be moved/,
  );
  assert.match((await effects({ classRef: { name: "gone" } })).join("\n"), /unknown spec: ClassNotFound/);
  assert.match(
    (await effects({ lifecycle: { preStop: { exec: { command: ["x"] } } } })).join("\n"),
    /^none .*not supported/,
  );
});

test("another class is told by what it makes of the machine; a change of the class, for each of its machines", async (t) => {
  const { given, effects } = await lab(t);
  await given.client.create(VMClass, {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VMClass",
    metadata: { name: "large", namespace: "default" },
    spec: { cpu: 2, memory: "512Mi", firmware: "UEFI", ...hot },
  });
  await given.clock.advance(1_000);
  assert.deepEqual(await effects({ classRef: { name: "large" } }), [
    "live spec.classRef.name: what differs is told below",
    "live class: cpu: CPUs are added while it runs",
    "restart class: firmware: only a machine that is off can be changed in it",
  ]);
  const small = await given.client.get(VMClass, key);
  const plans = await given.planner.planClass(
    { ...small, spec: { ...small.spec, memory: "8Gi" } },
    { signal: AbortSignal.timeout(60_000) },
  );
  assert.deepEqual(
    plans.map(({ name, changes }) => [name, changes.map(({ effect, reason }) => `${effect}: ${reason}`)]),
    [["web", ["restart: started with room for 2 GiB"]]],
  );
});

test("of a machine that is off all is live; of one that cannot be seen nothing is known", async (t) => {
  const { given, effects } = await lab(t);
  await given.patchVm("web", { spec: { powerState: "Off" } });
  await given.untilReason("web", "Stopped");
  const change = { resources: { cpu: 8 } };
  assert.deepEqual(await effects(change), ["live spec.resources.cpu: the machine is off"]);
  given.sim.disconnect();
  assert.deepEqual(await effects(change), ["unknown spec.resources.cpu: the hypervisor cannot be asked now"]);
});
