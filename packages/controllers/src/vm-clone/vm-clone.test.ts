import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  findCondition,
  isStatus,
  linkedToLabel,
  Namespace,
  Provider,
  unlinkAnnotation,
  VirtualMachine,
  VMClass,
  VMClone,
  VMImage,
  VMSnapshot,
} from "@vivarium/api";
import type { ResourceType, VirtualMachineSpec, VMCloneSpec } from "@vivarium/api";
import { controllersLab, headOf, image, machine, provider } from "../testing/controllers-lab.ts";
import type { ControllersLab } from "../testing/controllers-lab.ts";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { createVmSnapshotController } from "../vm-snapshot.ts";
import { createVmCloneController } from "./vm-clone.ts";
import { createVmUnlinkController } from "./vm-unlink.ts";

interface CloneLab extends ControllersLab {
  readonly clone: (name: string, spec: Partial<VMCloneSpec>) => Promise<VMClone>;
  /** What is on the disks of this machine. */
  readonly dataOf: (name: string) => Promise<string>;
  readonly write: (name: string, data: string) => Promise<void>;
}

/** A running machine `web`. */
async function lab(t: TestContext, spec: Partial<VirtualMachineSpec> = {}): Promise<CloneLab> {
  const base = await controllersLab(t);
  const { client, manager, providers, clock, hypervisor } = base;
  base.run(
    createVirtualMachineController({ manager, providers, clock }),
    createVmSnapshotController({ manager, providers, clock }),
    createVmCloneController({ manager, providers, clock }),
    createVmUnlinkController({ manager, providers, clock }),
  );
  // Time goes on by itself: what failed is tried again.
  const ticking = setInterval(() => void clock.advance(250), 10);
  t.after(() => clearInterval(ticking));
  await client.create(Provider, provider("sim"));
  await client.create(VMClass, { ...headOf(VMClass, "small"), spec: { cpu: 1, memory: "1Gi" } });
  const digest = `sha256:${"ab".repeat(32)}`;
  const made = await client.create(
    VMImage,
    image("debian", { source: { libvirt: { url: "https://x.example/d.qcow2" } } }),
  );
  const imported = await hypervisor
    .open()
    .images.import({ digest, format: "qcow2", path: "/x", sizeBytes: 1, virtualSizeBytes: 2 ** 30 });
  await client.updateStatus(VMImage, {
    ...made,
    status: {
      phase: "Ready",
      ready: true,
      observedGeneration: made.metadata.generation ?? 1,
      providerStatus: { sim: { available: true, id: imported.id } },
    },
  });
  await client.create(
    VirtualMachine,
    machine("web", {
      classRef: { name: "small" },
      imageRef: { name: "debian" },
      providerRef: { name: "sim" },
      ...spec,
    }),
  );
  await base.until(VirtualMachine, "web", ({ status }) => status?.powerState === "On");
  const domainOf = async (name: string) => {
    const vm = await client.get(VirtualMachine, { namespace: "default", name });
    const domain = hypervisor.world.domains.get(vm.metadata.uid ?? "");
    assert.ok(domain, `VM ${name} has a domain`);
    return domain;
  };
  return {
    ...base,
    clone: (name, wanted) =>
      client.create(VMClone, {
        ...headOf(VMClone, name),
        spec: {
          ...(wanted.source === undefined ? { source: { vmRef: { name: "web" } } } : {}),
          target: { name },
          ...wanted,
        },
      }),
    dataOf: async (name) => (await domainOf(name)).data ?? "",
    write: async (name, data) => void ((await domainOf(name)).data = data),
  };
}

const isReady = ({ status }: VMClone): boolean => status?.phase === "Ready";
const isFailed = ({ status }: VMClone): boolean => status?.phase === "Failed";

test("a full clone of a running machine has its data, stands on its own, and leaves no snapshot", async (t) => {
  const { clone, until, dataOf, write, client } = await lab(t, { disks: [{ name: "data", sizeGiB: 1 }] });
  await write("web", "before");
  await clone("copy", { powerOn: true });
  const made = await until(VMClone, "copy", isReady);
  await write("web", "after");
  assert.equal(await dataOf("copy"), "before");
  const vm = await client.get(VirtualMachine, { namespace: "default", name: "copy" });
  assert.deepEqual(
    [vm.status?.powerState, vm.spec.importedDisk?.source, vm.spec.imageRef, vm.spec.classRef?.name],
    ["On", "clone", undefined, "small"],
  );
  assert.deepEqual(
    [made.status?.actualCloneType, made.status?.targetVMID, made.status?.disks, made.status?.progress],
    ["FullClone", vm.metadata.uid, ["root", "data"], { totalDisks: 2, completedDisks: 2, overallPercentage: 100 }],
  );
  assert.equal(made.status?.consistency, "Crash");
  assert.equal(made.metadata.finalizers, undefined);
  await untilGone(client, VMSnapshot, made.status?.snapshotRef?.name ?? "");
  await remove(client, VMClone, "copy");
  await remove(client, VirtualMachine, "web");
  const again = await until(VirtualMachine, "copy", ({ status }) => status?.powerState === "On");
  assert.equal(again.metadata.uid, vm.metadata.uid);
});

test("linked clones that are asked for together share a snapshot, which is held for them and goes after them", async (t) => {
  const { clone, until, client, dataOf, write, clock } = await lab(t);
  await write("web", "base");
  const names = ["a", "b", "c"];
  await Promise.all(names.map((name) => clone(name, { linked: true, powerOn: true })));
  for (const name of names) {
    const made = await until(VMClone, name, isReady);
    assert.equal(made.status?.actualCloneType, "LinkedClone");
    assert.equal(await dataOf(name), "base");
  }
  const { items } = await client.list(VMSnapshot, { namespace: "default" });
  const [base] = items;
  assert.ok(base !== undefined && items.length <= 2, `${items.length} snapshots`);
  await client.delete(VirtualMachine, { namespace: "default", name: "web" });
  const held = await until(VirtualMachine, "web", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "SnapshotsKept";
  });
  assert.match(held.status?.message ?? "", /clones back onto it: .*a/);
  for (const name of names) await remove(client, VirtualMachine, name);
  await clock.advance(200_000);
  await untilGone(client, VMSnapshot, base.metadata.name);
  await untilGone(client, VirtualMachine, "web");
});

test("a snapshot that disks of a clone back onto is not removed, and says whose", async (t) => {
  const { clone, until, client } = await lab(t);
  await client.create(VMSnapshot, { ...headOf(VMSnapshot, "mine"), spec: { vmRef: { name: "web" } } });
  await clone("copy", { source: { snapshotRef: { name: "mine" } }, linked: true });
  await until(VMClone, "copy", isReady);
  const vm = await client.get(VirtualMachine, { namespace: "default", name: "copy" });
  assert.equal(vm.spec.powerState, "Off");
  await client.delete(VMSnapshot, { namespace: "default", name: "mine" });
  const held = await until(VMSnapshot, "mine", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "InUse";
  });
  assert.match(held.status?.message ?? "", /Disks of clones back onto it: copy\./);
  assert.equal(vm.metadata.labels?.[linkedToLabel], held.metadata.uid);
  await remove(client, VirtualMachine, "copy");
  await untilGone(client, VMSnapshot, "mine");
});

test("a linked clone becomes independent when it is asked to, and its base goes", async (t) => {
  const { clone, until, client, dataOf, write, hypervisor, clock } = await lab(t);
  await write("web", "kept");
  await clone("copy", { linked: true, powerOn: true });
  const made = await until(VMClone, "copy", isReady);
  hypervisor.fail("clones.unlink");
  await client.mergePatch(VMClone, { namespace: "default", name: "copy" }, { spec: { linked: false } });
  await until(VMClone, "copy", ({ status }) => status?.actualCloneType === "FullClone");
  const vm = await client.get(VirtualMachine, { namespace: "default", name: "copy" });
  assert.deepEqual(
    [vm.metadata.labels?.[linkedToLabel], vm.metadata.annotations?.[unlinkAnnotation]],
    [undefined, undefined],
  );
  assert.equal(hypervisor.calls.filter(({ method }) => method === "clones.unlink").length, 2);
  await clock.advance(200_000);
  await untilGone(client, VMSnapshot, made.status?.snapshotRef?.name ?? "");
  await remove(client, VirtualMachine, "web");
  assert.equal(await dataOf("copy"), "kept");
});

test("answers that are lost, and failures, double and lose nothing", async (t) => {
  const { clone, until, hypervisor, dataOf, write } = await lab(t);
  await write("web", "kept");
  hypervisor.loseAnswer("clones.create");
  hypervisor.fail("clones.create");
  await clone("copy", { powerOn: true });
  const made = await until(VMClone, "copy", isReady);
  assert.equal(await dataOf("copy"), "kept");
  assert.equal(made.status?.retryCount, 2);
  assert.equal([...hypervisor.world.domains.values()].length, 2);
});

test("what fails for good leaves nothing behind, and says why", async (t) => {
  const { clone, until, hypervisor, client } = await lab(t);
  hypervisor.fail("clones.create", { times: 10, code: "NoSpace", message: "the pool is full" });
  await clone("copy", { options: { retryPolicy: { maxRetries: 1, retryDelay: "1s" } } });
  const failed = await until(VMClone, "copy", (object) => isFailed(object) && object.metadata.finalizers === undefined);
  assert.match(failed.status?.message ?? "", /2 times: the pool is full/);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "NoSpace");
  await untilGone(client, VirtualMachine, "copy");
  await untilGone(client, VMSnapshot, failed.status?.snapshotRef?.name ?? "");
});

test("a clone that hangs ends at its time-out", async (t) => {
  const { clone, until, hypervisor, client } = await lab(t);
  hypervisor.hang("clones.create", { times: 10 });
  await clone("copy", { options: { timeout: "30s" } });
  const failed = await until(VMClone, "copy", (object) => isFailed(object) && object.metadata.finalizers === undefined);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "DeadlineExceeded");
  await untilGone(client, VirtualMachine, "copy");
});

test("a clone that is deleted while it is made leaves nothing behind", async (t) => {
  const { clone, until, hypervisor, client } = await lab(t);
  hypervisor.hang("clones.create", { times: 10 });
  await clone("copy", {});
  const started = await until(VMClone, "copy", ({ status }) => status?.phase === "Cloning");
  await client.delete(VMClone, { namespace: "default", name: "copy" });
  await untilGone(client, VMClone, "copy");
  await untilGone(client, VirtualMachine, "copy");
  await untilGone(client, VMSnapshot, started.status?.snapshotRef?.name ?? "");
});

test("a machine that is there already is not touched", async (t) => {
  const { clone, until, client } = await lab(t);
  await clone("mine", { target: { name: "web" } });
  const failed = await until(VMClone, "mine", isFailed);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "TargetExists");
  const web = await client.get(VirtualMachine, { namespace: "default", name: "web" });
  assert.equal(web.metadata.deletionTimestamp, undefined);
});

test("a source that does not exist is waited for", async (t) => {
  const { clone, until, client } = await lab(t);
  await clone("copy", { source: { vmRef: { name: "later" } } });
  const waits = await until(VMClone, "copy", ({ status }) => status?.phase === "Pending");
  assert.match(waits.status?.message ?? "", /"later" does not exist/);
  const spec = { classRef: { name: "small" }, imageRef: { name: "debian" }, providerRef: { name: "sim" } };
  await client.create(VirtualMachine, machine("later", spec));
  await until(VMClone, "copy", isReady);
});

test("another namespace must agree, and its clone finds what the source names", async (t) => {
  const { clone, until, client } = await lab(t);
  const apiVersion = "v1";
  await client.create(Namespace, { apiVersion, kind: "Namespace", metadata: { name: "closed" } });
  await client.create(Namespace, {
    apiVersion,
    kind: "Namespace",
    metadata: { name: "open", annotations: { "vivarium.dev/clones-from": "lab, default" } },
  });
  await clone("refused", { target: { name: "copy", namespace: "closed" } });
  const refused = await until(VMClone, "refused", isFailed);
  assert.match(refused.status?.message ?? "", /does not take clones from "default"/);
  await clone("taken", { target: { name: "copy", namespace: "open" }, powerOn: true });
  await until(VMClone, "taken", isReady);
  const vm = await client.get(VirtualMachine, { namespace: "open", name: "copy" });
  assert.deepEqual(vm.spec.classRef, { name: "small", namespace: "default" });
  assert.deepEqual(vm.spec.providerRef, { name: "sim", namespace: "default" });
});

test("an image is cloned: linked as a machine of it is, full made independent of it", async (t) => {
  const { clone, until, client, hypervisor } = await lab(t);
  const spec = { source: { imageRef: { name: "debian" } }, powerOn: true };
  await clone("linked", { ...spec, linked: true, target: { name: "linked", classRef: { name: "small" } } });
  await clone("full", { ...spec, target: { name: "full", classRef: { name: "small" } } });
  for (const name of ["linked", "full"]) {
    const made = await until(VMClone, name, isReady);
    assert.equal(made.status?.actualCloneType, name === "full" ? "FullClone" : "LinkedClone");
    const vm = await client.get(VirtualMachine, { namespace: "default", name });
    assert.deepEqual([vm.spec.imageRef?.name, vm.status?.powerState], ["debian", "On"]);
  }
  assert.equal(hypervisor.calls.filter(({ method }) => method === "clones.unlink").length, 1);
});

test("the manifest of a clone, applied again after its machine is gone, makes no empty machine", async (t) => {
  const { clone, until, client } = await lab(t);
  await clone("copy", { powerOn: true });
  await until(VMClone, "copy", isReady);
  const { spec, metadata } = await client.get(VirtualMachine, { namespace: "default", name: "copy" });
  await remove(client, VirtualMachine, "copy");
  const { labels = {}, annotations = {} } = metadata;
  const again = { ...headOf(VirtualMachine, "copy"), spec };
  await client.create(VirtualMachine, { ...again, metadata: { ...again.metadata, labels, annotations } });
  const blocked = await until(VirtualMachine, "copy", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "CloneNotFound";
  });
  assert.match(blocked.status?.message ?? "", /clone again/);
});

async function remove(client: ControllersLab["client"], type: ResourceType, name: string): Promise<void> {
  await client.delete(type, { namespace: "default", name });
  await untilGone(client, type, name);
}

async function untilGone(client: ControllersLab["client"], type: ResourceType, name: string): Promise<void> {
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
