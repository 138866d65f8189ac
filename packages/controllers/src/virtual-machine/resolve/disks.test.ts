// Disks of VMs that run: plugged in, let go, limited, grown; and what happens when something does not want to.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Event, findCondition, StoragePool, Volume } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineSpec } from "@vivarium/api";
import { headOf } from "../../testing/controllers-lab.ts";
import { readyOf, VmLab } from "../../testing/vm-lab.ts";

type Disks = NonNullable<VirtualMachineSpec["disks"]>;
const gib = 1024 ** 3;

function disksOf(lab: VmLab, vm: VirtualMachine) {
  return lab.sim.world.domains.get(vm.metadata.uid ?? "")?.disks ?? [];
}

function attached(vm: VirtualMachine) {
  return findCondition(vm.status?.conditions, "DisksAttached");
}

function setDisks(lab: VmLab, disks: Disks): Promise<VirtualMachine> {
  return lab.patchVm("web", { spec: { disks } });
}

function untilDisks(lab: VmLab, reason: string): Promise<VirtualMachine> {
  return lab.untilVm("web", `has disks: ${reason}`, (vm) => attached(vm)?.reason === reason);
}

async function untilNames(lab: VmLab, ...names: readonly string[]): Promise<VirtualMachine> {
  return lab.untilVm(
    "web",
    `has ${names.join()}`,
    (vm) => vm.status?.disks?.map(({ name }) => name).join() === names.join(),
  );
}

/** A Volume as the Volume controller leaves it. */
async function makeVolume(lab: VmLab, name: string): Promise<void> {
  const pool = { uid: "pool", name: "fast", type: "dir", path: "/fast" };
  const open = lab.sim.open();
  await open.pools?.create(pool);
  if ((await lab.client.list(StoragePool)).items.length === 0) {
    await lab.client.create(StoragePool, {
      ...headOf(StoragePool, "fast"),
      spec: { create: { type: "dir", path: "/fast" } },
    });
  }
  await open.volumes?.create({ pool: "fast", name }, { format: "raw", sizeBytes: gib, preallocation: "none" });
  const volume = await lab.client.create(Volume, {
    ...headOf(Volume, name),
    spec: { poolRef: { name: "fast" }, size: "1Gi" },
  });
  await lab.client.updateStatus(Volume, {
    ...volume,
    status: { phase: "Ready", pool: "fast", volume: name, format: "raw", record: { stage: "created" } },
  });
}

describe("disks of a running VM", () => {
  test("are plugged in and let go without a restart, and the record follows", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    const before = await lab.untilReady("web");
    await setDisks(lab, [{ name: "data", sizeGiB: 1 }]);
    const vm = await untilNames(lab, "root", "data");
    assert.equal(attached(vm)?.status, "True");
    assert.equal(findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle")?.status, "False");
    await setDisks(lab, []);
    const after = await untilNames(lab, "root");
    assert.equal(after.status?.startedAt, before.status?.startedAt);
    assert.equal(lab.callsOf("compute.start"), 1);
    // What was on the disk stays until the VM goes.
    assert.ok(lab.inventory().volumes.some((name) => name.endsWith("data.qcow2")));
    const reasons = (await lab.client.list(Event)).items.map((event) => event.reason);
    assert.ok(reasons.includes("DiskAttached") && reasons.includes("DiskDetaching"), reasons.join());
  });

  test("may be Volumes, which outlive the VM", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await setDisks(lab, [{ name: "shared", volumeRef: { name: "shared" } }]);
    const waiting = await untilDisks(lab, "VolumeNotFound");
    assert.equal(readyOf(waiting)?.status, "True");
    await makeVolume(lab, "shared");
    const vm = await untilNames(lab, "root", "shared");
    assert.deepEqual(vm.status?.disks?.[1], { name: "shared", target: "vdb", volume: "shared", state: "Attached" });
    assert.equal(disksOf(lab, vm)[1]?.format, "raw");
    await lab.deleteVm("web");
    await lab.untilGone("web");
    assert.equal(lab.sim.world.poolVolumes.size, 1);
  });

  test("a Volume that another VM has is a Conflict, and the VM runs on", async (t) => {
    const lab = await VmLab.start(t);
    await makeVolume(lab, "one");
    await lab.createVm("first", { disks: [{ name: "one", volumeRef: { name: "one" } }] });
    await lab.untilReady("first");
    await lab.createVm("web");
    await lab.untilReady("web");
    await setDisks(lab, [{ name: "one", volumeRef: { name: "one" } }]);
    const vm = await untilDisks(lab, "Conflict");
    assert.match(attached(vm)?.message ?? "", /first/);
    assert.equal(readyOf(vm)?.status, "True");
    assert.equal(vm.status?.phase, "Running");
    await lab.deleteVm("first");
    await lab.until("web gets it", async () => attached((await lab.vm("web")) ?? vm)?.status === "True", 900_000);
  });

  test("a guest that does not let go is told of after half a minute, and asked again", async (t) => {
    const lab = await VmLab.start(t, { guest: { detach: "ignores" } });
    await lab.createVm("web", { disks: [{ name: "data", sizeGiB: 1 }] });
    await lab.untilReady("web");
    await setDisks(lab, []);
    const going = await untilDisks(lab, "Detaching");
    assert.equal(going.status?.disks?.[1]?.state, "Detaching");
    const refused = await untilDisks(lab, "DetachRefused");
    assert.match(attached(refused)?.message ?? "", /unmount it/);
    assert.equal(readyOf(refused)?.status, "True");
    lab.sim.guest.detach = "obeys";
    await untilNames(lab, "root");
    await untilDisks(lab, "AsDeclared");
  });

  test("limits are changed live, and lifted", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { disks: [{ name: "data", sizeGiB: 1, limits: { totalIops: 100 } }] });
    const vm = await lab.untilReady("web");
    assert.deepEqual(disksOf(lab, vm)[1]?.limits, { totalIops: 100 });
    await setDisks(lab, [{ name: "data", sizeGiB: 1, limits: { readIops: 50, writeBytes: "1Mi" } }]);
    await lab.until("new limits", async () => disksOf(lab, vm)[1]?.limits?.readIops === 50);
    assert.deepEqual(disksOf(lab, vm)[1]?.limits, { readIops: 50, writeBytes: 2 ** 20 });
    await setDisks(lab, [{ name: "data", sizeGiB: 1 }]);
    await lab.until("no limits", async () => Object.keys(disksOf(lab, vm)[1]?.limits ?? {}).length === 0);
    assert.equal(lab.callsOf("compute.start"), 1);
  });

  test("grow at once where the policy is Online, else when the VM is next off; never shrink", async (t) => {
    const lab = await VmLab.start(t);
    const sizes = () =>
      ["live", "later"].map((disk) => {
        const volumes = [...lab.sim.world.volumes.values()];
        return (volumes.find(({ name }) => name.endsWith(`.${disk}.qcow2`))?.sizeBytes ?? 0) / gib;
      });
    const disks = (size: number): Disks => [
      { name: "live", sizeGiB: size, expandPolicy: "Online" },
      { name: "later", sizeGiB: size },
    ];
    await lab.createVm("web", { disks: disks(1) });
    await lab.untilReady("web");
    await setDisks(lab, disks(2));
    await lab.until("the one grows", async () => sizes().join() === "2,1");
    await lab.untilVm("web", "is settled", (vm) => vm.status?.observedGeneration === vm.metadata.generation);
    await lab.patchVm("web", { spec: { powerState: "Off" } });
    await lab.until("the other grows", async () => sizes().join() === "2,2");
    await setDisks(lab, disks(1));
    const vm = await untilDisks(lab, "ShrinkRefused");
    assert.match(attached(vm)?.message ?? "", /live, later/);
    assert.deepEqual(sizes(), [2, 2]);
  });

  for (const method of ["hotplug.attachDisk", "hotplug.requestDetach", "disks.ensureData"] as const) {
    test(`an answer of ${method} that is lost changes nothing in the end`, async (t) => {
      const lab = await VmLab.start(t);
      await lab.createVm("web");
      await lab.untilReady("web");
      lab.sim.loseAnswer(method);
      await setDisks(lab, [{ name: "data", sizeGiB: 1 }]);
      await untilNames(lab, "root", "data");
      await setDisks(lab, []);
      await untilNames(lab, "root");
      await untilDisks(lab, "AsDeclared");
    });
  }

  test("a server that dies between plugging in and recording it finds the disk there", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    let isKilled = false;
    lab.onStep = ({ step, phase }) => {
      if (step === "AttachDisk" && phase === "done") void lab.restart().then(() => (isKilled = true));
    };
    await setDisks(lab, [{ name: "data", sizeGiB: 1 }]);
    await lab.until("it is killed", async () => isKilled);
    const vm = await untilNames(lab, "root", "data");
    await untilDisks(lab, "AsDeclared");
    assert.equal(disksOf(lab, vm).length, 2);
  });

  test("a VM is not made while the pool of its disks is low, and is once there is room", async (t) => {
    const lab = await VmLab.start(t);
    const pool = await lab.client.create(StoragePool, {
      ...headOf(StoragePool, "theirs"),
      spec: { adopt: { name: "vivarium" } },
    });
    const say = (status: "True" | "False", to: StoragePool) => {
      const condition = {
        type: "CapacityLow",
        status,
        reason: "x",
        message: "no room",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      };
      return lab.client.updateStatus(StoragePool, { ...to, status: { pool: "vivarium", conditions: [condition] } });
    };
    const low = await say("True", pool);
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "PoolFull");
    assert.match(readyOf(vm)?.message ?? "", /no room/);
    assert.deepEqual(lab.inventory().volumes, []);
    await say("False", low);
    await lab.untilReady("web");
  });
});
