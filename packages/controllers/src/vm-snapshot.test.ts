import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { findCondition, isStatus, VirtualMachine, VMSnapshot } from "@vivarium/api";
import type { ResourceType, VMSnapshotSpec } from "@vivarium/api";
import { controllersLab, headOf } from "./testing/controllers-lab.ts";
import type { ControllersLab } from "./testing/controllers-lab.ts";
import { domainOf, startWeb } from "./testing/web-machine.ts";
import { createVirtualMachineController } from "./virtual-machine/virtual-machine.ts";
import { createVmSnapshotController } from "./vm-snapshot.ts";

interface SnapshotLab extends ControllersLab {
  readonly take: (name: string, spec?: Omit<VMSnapshotSpec, "vmRef">) => Promise<VMSnapshot>;
  readonly data: { value: string };
}

/** A running machine `web`. */
async function lab(t: TestContext): Promise<SnapshotLab> {
  const base = await controllersLab(t);
  const { client, manager, providers, clock } = base;
  base.run(
    createVirtualMachineController({ manager, providers, clock }),
    createVmSnapshotController({ manager, providers, clock }),
  );
  await startWeb(t, base);
  const domain = await domainOf(base, "web");
  return {
    ...base,
    data: {
      get value() {
        return domain.data ?? "";
      },
      set value(text) {
        domain.data = text;
      },
    },
    take: (name, spec = {}) =>
      client.create(VMSnapshot, { ...headOf(VMSnapshot, name), spec: { vmRef: { name: "web" }, ...spec } }),
  };
}

const isReady = ({ status }: VMSnapshot): boolean => status?.phase === "Ready";

test("a snapshot is taken, and the machine goes back to it by its spec", async (t) => {
  const { take, until, data, client, hypervisor } = await lab(t);
  data.value = "before";
  await take("before", { memory: true, description: "why" });
  const taken = await until(VMSnapshot, "before", isReady);
  assert.deepEqual(
    [taken.status?.hasMemory, taken.status?.consistency, taken.status?.method, taken.status?.isCurrent],
    [true, "Memory", "External", true],
  );
  assert.equal(taken.status?.snapshotID, taken.metadata.uid);
  data.value = "after";
  await take("after");
  await until(VMSnapshot, "after", (snapshot) => isReady(snapshot) && snapshot.status?.parent?.name === "before");
  await until(VMSnapshot, "before", ({ status }) => status?.children?.[0]?.name === "after");
  const key = { namespace: "default", name: "web" };
  await client.mergePatch(VirtualMachine, key, { spec: { snapshot: { revertToRef: { name: "before" } } } });
  const vm = await until(
    VirtualMachine,
    "web",
    ({ spec, status }) => spec.snapshot?.revertToRef === undefined && status?.powerState === "On",
  );
  assert.equal(data.value, "before");
  assert.equal(vm.spec.snapshot?.revertToRef, undefined);
  assert.equal(hypervisor.calls.filter(({ method }) => method === "snapshots.revert").length, 1);
  // Once more, which is another wish.
  data.value = "changed";
  await client.mergePatch(VirtualMachine, key, { spec: { snapshot: { revertToRef: { name: "after" } } } });
  await until(VirtualMachine, "web", ({ spec }) => spec.snapshot?.revertToRef === undefined);
  assert.equal(data.value, "after");
  const again = await until(VirtualMachine, "web", ({ status }) => status?.powerState === "On");
  // Not by somebody else, after which the machine would be left off for a while.
  assert.equal(again.status?.lastStop?.method, "Forced");
});

test("a revert to what cannot be gone back to is told, and nothing is stopped", async (t) => {
  const { client, until } = await lab(t);
  const key = { namespace: "default", name: "web" };
  await client.mergePatch(VirtualMachine, key, { spec: { snapshot: { revertToRef: { name: "nothing" } } } });
  const vm = await until(VirtualMachine, "web", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "SnapshotNotFound";
  });
  assert.equal(vm.status?.powerState, "On");
  await client.mergePatch(VirtualMachine, key, { spec: { snapshot: { revertToRef: null } } });
  await until(VirtualMachine, "web", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason !== "SnapshotNotFound";
  });
});

test("an answer that is lost doubles and loses nothing", async (t) => {
  const { take, until, data, client, hypervisor } = await lab(t);
  hypervisor.loseAnswer("snapshots.create");
  data.value = "before";
  await take("once");
  await until(VMSnapshot, "once", isReady);
  data.value = "after";
  hypervisor.loseAnswer("snapshots.revert");
  const key = { namespace: "default", name: "web" };
  await client.mergePatch(VirtualMachine, key, { spec: { snapshot: { revertToRef: { name: "once" } } } });
  await until(VirtualMachine, "web", ({ spec }) => spec.snapshot?.revertToRef === undefined);
  assert.equal(data.value, "before");
  hypervisor.loseAnswer("snapshots.remove");
  await client.delete(VMSnapshot, { namespace: "default", name: "once" });
  await gone(client, VMSnapshot, "once");
  assert.equal([...hypervisor.world.trees.values()][0]?.snapshots.size, 0);
});

test("what is not supported is refused with its reason, and so is what cannot be now", async (t) => {
  const { take, until } = await lab(t);
  await take("encrypted", { snapshotConfig: { encryption: { enabled: true } } });
  const refused = await until(VMSnapshot, "encrypted", ({ status }) => status?.phase === "Failed");
  assert.match(refused.status?.message ?? "", /encryption/);
  await take("still", { snapshotConfig: { quiesce: true } });
  const waits = await until(VMSnapshot, "still", ({ status }) => /agent/.test(status?.message ?? ""));
  assert.equal(waits.status?.phase, "Pending");
});

test("snapshots go when their time is over, when there are too many, and with their machine; pinned ones stay", async (t) => {
  const { take, until, client, clock } = await lab(t);
  await take("old", { retentionPolicy: { maxAge: "1h" } });
  await take("pinned", { retentionPolicy: { maxAge: "1h" }, metadata: { pinned: true } });
  await until(VMSnapshot, "old", isReady);
  await until(VMSnapshot, "pinned", isReady);
  await clock.advance(3_600_000);
  await gone(client, VMSnapshot, "old");
  await take("first", { retentionPolicy: { maxCount: 1 } });
  await until(VMSnapshot, "first", isReady);
  await clock.advance(2_000);
  await take("second", { retentionPolicy: { maxCount: 1 } });
  await until(VMSnapshot, "second", isReady);
  await gone(client, VMSnapshot, "first");
  await client.delete(VirtualMachine, { namespace: "default", name: "web" });
  for (const name of ["pinned", "second"]) await gone(client, VMSnapshot, name);
});

test("a machine waits for the snapshots that shall outlive it", async (t) => {
  const { take, until, client } = await lab(t);
  await take("kept", { retentionPolicy: { deleteOnVMDelete: false } });
  await until(VMSnapshot, "kept", isReady);
  await client.delete(VirtualMachine, { namespace: "default", name: "web" });
  await until(VirtualMachine, "web", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "SnapshotsKept";
  });
  await client.delete(VMSnapshot, { namespace: "default", name: "kept" });
  await gone(client, VMSnapshot, "kept");
  await gone(client, VirtualMachine, "web");
});

async function gone(client: ControllersLab["client"], type: ResourceType, name: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    try {
      await client.get(type, { namespace: "default", name });
    } catch (error) {
      assert.ok(isStatus(error, "NotFound"));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`${type.kind} ${name} is still there`);
}
