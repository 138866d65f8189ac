import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { findCondition, Host, Provider, VirtualMachine, VMClass, VMMigration, VMSnapshot } from "@vivarium/api";
import type { VirtualMachineSpec, VMMigrationSpec } from "@vivarium/api";
import { createSimulatedHypervisor } from "@vivarium/provider";
import { ManualClock } from "@vivarium/runtime";
import { MachineTurns } from "../machine-turns.ts";
import { headOf } from "../testing/controllers-lab.ts";
import { rackLab } from "../testing/rack-lab.ts";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { createVmSnapshotController } from "../vm-snapshot.ts";
import { createVmMigrationController } from "./vm-migration.ts";

const namespace = "default";

/** Two hosts with storage of their own, of one Provider. */
async function lab(t: TestContext) {
  const clock = new ManualClock(Date.now());
  const simOf = () => createSimulatedHypervisor({ clock, guest: { leaseMs: 100, shutdownMs: 2_000 } });
  const [a, b, c] = [simOf(), simOf(), simOf()];
  const { client, until, restart } = await rackLab(t, {
    clock,
    hosts: [
      { name: "a", sim: a },
      { name: "b", sim: b },
    ],
    others: { c },
    controllers({ manager, providers }) {
      const turns = new MachineTurns();
      return [
        createVirtualMachineController({ manager, providers, clock, turns, random: () => 0 }),
        createVmSnapshotController({ manager, providers, clock }),
        createVmMigrationController({ manager, providers, clock, turns }),
      ];
    },
  });
  const vm = () => client.get(VirtualMachine, { namespace, name: "web" });
  const untilVm = (what: string, isSo: (object: VirtualMachine) => boolean) =>
    until(what, async () => {
      const found = await vm();
      return isSo(found) && found;
    });
  return {
    client,
    clock,
    a,
    b,
    c,
    vm,
    untilVm,
    create: async (spec: Partial<VirtualMachineSpec> = {}) => {
      await client.create(VirtualMachine, {
        ...headOf(VirtualMachine, "web"),
        spec: {
          imageRef: { name: "debian" },
          resources: { cpu: 1, memoryMiB: 1024 },
          placement: { host: "a" },
          ...spec,
        },
      });
      await untilVm("web is Ready", isReady);
      // It was only to begin there.
      await client.mergePatch(VirtualMachine, { namespace, name: "web" }, { spec: { placement: { host: null } } });
    },
    move: (name: string, spec: Partial<VMMigrationSpec> = {}) =>
      client.create(VMMigration, {
        ...headOf(VMMigration, name),
        spec: { source: { vmRef: { name: "web" } }, target: { host: "b" }, ...spec },
      }),
    ended: (name: string, phase: string) =>
      until(`${name} is ${phase}`, async () => {
        const found = await client.get(VMMigration, { namespace, name });
        return found.status?.phase === phase && found;
      }),
    until,
    restart,
    /** Name of the hosts that have a domain, and of those on which it runs. */
    domains: () => {
      const on = [
        ["a", a],
        ["b", b],
      ] as const;
      const uids = on.flatMap(([name, sim]) => [...sim.world.domains.values()].map(({ power }) => ({ name, power })));
      return uids.map(({ name, power }) => `${name} ${power}`);
    },
  };
}

function isReady(vm: VirtualMachine): boolean {
  return findCondition(vm.status?.conditions, "Ready")?.status === "True";
}

test("a running VM goes to another host and is the same VM there: its controller neither starts a second one nor misses the first", async (t) => {
  const { create, move, ended, domains, untilVm, a, b, vm } = await lab(t);
  await create();
  const boots = [...a.world.domains.values()][0]?.boots;
  await move("go");
  const { status } = await ended("go", "Ready");
  assert.deepEqual(
    [
      status?.sourceHost,
      status?.targetHost,
      status?.mode,
      status?.storage,
      status?.downtime,
      status?.progress?.percentage,
    ],
    ["a", "b", "Live", "Copied", "100ms", 100],
  );
  assert.deepEqual(domains(), ["b running"]);
  const found = await untilVm("web is Ready on b", (object) => isReady(object) && object.status?.host === "b");
  assert.equal(found.status?.moving, undefined);
  assert.equal(findCondition(found.status?.conditions, "Migrating")?.status, "False");
  assert.equal([...b.world.domains.values()][0]?.boots, boots);
  assert.equal(a.world.volumesOf(found.metadata.uid ?? "").length, 0);
  assert.equal((await vm()).status?.lastStop, undefined);
});

test("everything that stands in the way is told at once, and nothing is touched", async (t) => {
  const { client, create, move, ended, domains, b } = await lab(t);
  await create({ networks: [{ name: "lan" }] });
  b.world.networks.delete("default");
  await client.mergePatch(Host, { namespace, name: "b" }, { spec: { unschedulable: true } });
  await client.mergePatch(
    VirtualMachine,
    { namespace, name: "web" },
    { spec: { placement: { hostSelector: { zone: "1" } } } },
  );
  await move("go", { options: { copyStorage: false } });
  const { status } = await ended("go", "Failed");
  assert.deepEqual(
    status?.blockers?.map(({ reason }) => reason),
    ["HostUnschedulable", "HostSelector", "StorageDiffers", "NetworkMissing"],
  );
  assert.equal(findCondition(status.conditions, "Ready")?.reason, "Blocked");
  assert.deepEqual(domains(), ["a running"]);
});

test("a move that is cancelled leaves the VM where it is, running", async (t) => {
  const { client, create, move, ended, domains, untilVm, a, until } = await lab(t);
  await create();
  a.guest.moveMs = 3_600_000;
  await move("go");
  await untilVm("web is moving", ({ status }) => status?.moving !== undefined);
  await until("there is progress", async () => {
    const { status } = await client.get(VMMigration, { namespace, name: "go" });
    return (status?.progress?.percentage ?? 0) > 0;
  });
  await client.mergePatch(VMMigration, { namespace, name: "go" }, { spec: { cancel: true } });
  await ended("go", "Cancelled");
  const { status } = await untilVm("web is its own again", (object) => object.status?.moving === undefined);
  assert.equal(status?.host, "a");
  assert.deepEqual(domains(), ["a running"]);
});

test("the server is killed in the middle: it finds out where the VM is, and the move is made all the same", async (t) => {
  for (const stage of ["prepared", "switched"] as const) {
    await t.test(stage, async (inner) => {
      const { create, move, ended, domains, untilVm, a, restart } = await lab(inner);
      await create();
      a.world.brokenMove = stage;
      // The answer that it was cut off is never read: what is left is what a killed server leaves.
      a.hang("migration.settle");
      await move("go");
      await untilVm("web is moving", ({ status }) => status?.moving !== undefined);
      await restart();
      a.clearFaults();
      await ended("go", "Ready");
      await untilVm("web is Ready on b", (object) => isReady(object) && object.status?.host === "b");
      assert.deepEqual(domains(), ["b running"]);
    });
  }
});

test("offline: the guest is shut down, moved and started there; that is no crash", async (t) => {
  const { create, move, ended, domains, untilVm } = await lab(t);
  await create();
  await move("go", { options: { mode: "Offline" } });
  await ended("go", "Ready");
  const { status } = await untilVm("web is Ready on b", (object) => isReady(object) && object.status?.host === "b");
  assert.deepEqual(domains(), ["b running"]);
  assert.equal(status?.lastStop?.method, "Graceful");
});

test("a failure of the way is tried again as the policy says, and the VM stays usable in between", async (t) => {
  const { create, move, ended, domains, a, clock, until, client } = await lab(t);
  await create();
  a.fail("migration.move", { times: 2 });
  await move("go", { options: { retryPolicy: { maxRetries: 2, retryDelay: "1m", backoffMultiplier: 2 } } });
  await until("it waits for the next attempt", async () => {
    const { status } = await client.get(VMMigration, { namespace, name: "go" });
    return status?.nextAttemptTime !== undefined;
  });
  assert.deepEqual(domains(), ["a running"]);
  await clock.advance(300_000);
  const { status } = await ended("go", "Ready");
  assert.equal(status?.retryCount, 2);
  assert.deepEqual(domains(), ["b running"]);
});

test("a migration that is removed with force leaves no machine in between", async (t) => {
  const { client, create, move, domains, untilVm, a } = await lab(t);
  await create();
  a.guest.moveMs = 3_600_000;
  await move("go");
  await untilVm("web is moving", ({ status }) => status?.moving !== undefined);
  await client.mergePatch(VMMigration, { namespace, name: "go" }, { metadata: { finalizers: null } });
  await client.delete(VMMigration, { namespace, name: "go" });
  await untilVm("web is its own again", (object) => object.status?.moving === undefined && isReady(object));
  assert.deepEqual(domains(), ["a running"]);
});

test("to another Provider: a new VM of copies with checksums; the way leaves nothing behind, and the source goes only when told so", async (t) => {
  const { client, create, move, ended, a, c, until, vm } = await lab(t);
  await create({ networks: [{ name: "lan", macAddress: "52:54:00:00:00:01" }], disks: [{ name: "data", sizeGiB: 1 }] });
  await client.create(Provider, { ...headOf(Provider, "far"), spec: { type: "sim", endpoint: "sim://c" } });
  const source = await vm();
  const target = { name: "web-far", providerRef: { name: "far" }, powerOn: true };
  await move("refused", { target, storage: { transferMode: "direct" }, options: { diskFormat: "vmdk" } });
  const refused = await ended("refused", "Failed");
  assert.deepEqual(
    refused.status?.blockers?.map(({ reason }) => reason),
    ["Unsupported", "Unsupported"],
  );
  await move("go", {
    source: { vmRef: { name: "web" }, providerRef: { name: "rack" }, deleteAfterMigration: true },
    target,
    storage: { type: "pvc" },
  });
  const { status } = await ended("go", "Ready");
  assert.deepEqual(status?.disks?.map(({ name }) => name).toSorted(), ["data", "root"]);
  assert.ok(status.disks.every(({ checksum }) => checksum?.startsWith("sha256:") === true));
  assert.deepEqual(
    [status.targetVMRef?.name, status.diskInfo?.checksum],
    ["web-far", status.disks.find(({ name }) => name === "root")?.checksum],
  );
  const made = await client.get(VirtualMachine, { namespace, name: "web-far" });
  assert.deepEqual([made.spec.networks?.[0]?.macAddress, made.status?.powerState], [undefined, "On"]);
  assert.equal([...c.world.domains.values()].filter(({ power }) => power === "running").length, 1);
  await until("the source is gone", async () => {
    const { items } = await client.list(VirtualMachine);
    return items.every(({ metadata }) => metadata.uid !== source.metadata.uid);
  });
  assert.deepEqual([a.world.domains.size, [...a.world.volumes.values()].length], [0, 0]);
  assert.deepEqual((await client.list(VMSnapshot)).items, []);
});

test("to another Provider: a failure ends with the source as it was, and nothing on the other side", async (t) => {
  const { client, create, move, ended, domains, c, a, until } = await lab(t);
  await create();
  await client.create(Provider, { ...headOf(Provider, "far"), spec: { type: "sim", endpoint: "sim://c" } });
  a.fail("migration.exportDisks", { times: 1 });
  await move("go", { target: { name: "web-far", providerRef: { name: "far" } } });
  const { status } = await ended("go", "Failed");
  assert.equal(findCondition(status?.conditions, "Ready")?.reason, "Unavailable");
  await until("what was begun is gone", async () => {
    const { items } = await client.list(VirtualMachine);
    return items.length === 1 && (await client.list(VMSnapshot)).items.length === 0;
  });
  assert.deepEqual(domains(), ["a running"]);
  assert.deepEqual([c.world.domains.size, c.world.volumes.size], [0, 0]);
});

test("to another Provider: one whose hosts can never take it is told before anything is done, with the figures", async (t) => {
  const { client, create, move, ended, domains, until } = await lab(t);
  await create();
  await client.create(VMClass, {
    ...headOf(VMClass, "sealed"),
    spec: { cpu: 1, memory: "1Gi", firmware: "UEFI", securityProfile: { tpmEnabled: true } },
  });
  await client.create(VirtualMachine, {
    ...headOf(VirtualMachine, "sealed"),
    spec: { providerRef: { name: "rack" }, classRef: { name: "sealed" }, powerState: "Off" },
  });
  const hostPolicy = { reservedMemory: "1Ti" };
  await client.create(Provider, {
    ...headOf(Provider, "full"),
    spec: { type: "sim", endpoint: "sim://c", hostPolicy },
  });
  await until("its host told its size", async () => {
    const { items } = await client.list(Host);
    return items.some(({ metadata, status }) => metadata.name === "full" && status?.allocatable !== undefined);
  });
  await move("sealed", {
    source: { vmRef: { name: "sealed" }, deleteAfterMigration: true },
    target: { name: "sealed-full", providerRef: { name: "full" } },
  });
  const sealed = await ended("sealed", "Failed");
  assert.deepEqual(
    sealed.status?.blockers?.map(({ reason }) => reason),
    ["NoRoom", "DeviceNotMovable"],
  );
  await move("go", { target: { name: "web-full", providerRef: { name: "full" } } });
  const { status } = await ended("go", "Failed");
  assert.deepEqual(
    status?.blockers?.map(({ reason }) => reason),
    ["NoRoom"],
  );
  assert.match(
    status.blockers[0]?.message ?? "",
    /no host of Provider "full" can ever take it: it wants \d+ MiB, .*: full 0 MiB/,
  );
  assert.deepEqual(domains(), ["a running"]);
  assert.deepEqual((await client.list(VMSnapshot)).items, []);
});
