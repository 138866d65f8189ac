import assert from "node:assert/strict";
import { test } from "node:test";
import {
  findCondition,
  linkedToLabel,
  Namespace,
  unlinkAnnotation,
  VirtualMachine,
  VMClone,
  VMSnapshot,
} from "@vivarium/api";
import { cloneLab } from "../testing/clone-lab.ts";
import { headOf, machine } from "../testing/controllers-lab.ts";

const isReady = ({ status }: VMClone): boolean => status?.phase === "Ready";
const isFailed = ({ status }: VMClone): boolean => status?.phase === "Failed";

test("a full clone of a running machine has its data, stands on its own, and leaves no snapshot", async (t) => {
  const { clone, until, dataOf, write, client, remove, untilGone } = await cloneLab(t, {
    disks: [{ name: "data", sizeGiB: 1 }],
  });
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
  await untilGone(VMSnapshot, made.status?.snapshotRef?.name ?? "");
  await remove(VMClone, "copy");
  await remove(VirtualMachine, "web");
  const again = await until(VirtualMachine, "copy", ({ status }) => status?.powerState === "On");
  assert.equal(again.metadata.uid, vm.metadata.uid);
});

test("linked clones that are asked for together share a snapshot, which is held for them and goes after them", async (t) => {
  const { clone, until, client, dataOf, write, clock, remove, untilGone } = await cloneLab(t);
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
  for (const name of names) await remove(VirtualMachine, name);
  await clock.advance(200_000);
  await untilGone(VMSnapshot, base.metadata.name);
  await untilGone(VirtualMachine, "web");
});

test("a snapshot that disks of a clone back onto is not removed, and says whose", async (t) => {
  const { clone, until, client, remove, untilGone } = await cloneLab(t);
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
  await remove(VirtualMachine, "copy");
  await untilGone(VMSnapshot, "mine");
});

test("a linked clone becomes independent when it is asked to, and its base goes", async (t) => {
  const { clone, until, client, dataOf, write, hypervisor, clock, remove, untilGone } = await cloneLab(t);
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
  await untilGone(VMSnapshot, made.status?.snapshotRef?.name ?? "");
  await remove(VirtualMachine, "web");
  assert.equal(await dataOf("copy"), "kept");
});

test("answers that are lost, and failures, double and lose nothing", async (t) => {
  const { clone, until, hypervisor, dataOf, write } = await cloneLab(t);
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
  const { clone, until, hypervisor, untilGone } = await cloneLab(t);
  hypervisor.fail("clones.create", { times: 10, code: "NoSpace", message: "the pool is full" });
  await clone("copy", { options: { retryPolicy: { maxRetries: 1, retryDelay: "1s" } } });
  const failed = await until(VMClone, "copy", (object) => isFailed(object) && object.metadata.finalizers === undefined);
  assert.match(failed.status?.message ?? "", /2 times: the pool is full/);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "NoSpace");
  await untilGone(VirtualMachine, "copy");
  await untilGone(VMSnapshot, failed.status?.snapshotRef?.name ?? "");
});

test("a clone that hangs ends at its time-out", async (t) => {
  const { clone, until, hypervisor, untilGone, clock } = await cloneLab(t);
  hypervisor.hang("clones.create", { times: 10 });
  await clone("copy", { options: { timeout: "5m" } });
  await until(VMClone, "copy", ({ status }) => status?.phase === "Cloning");
  await clock.advance(300_000);
  const failed = await until(VMClone, "copy", (object) => isFailed(object) && object.metadata.finalizers === undefined);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "DeadlineExceeded");
  await untilGone(VirtualMachine, "copy");
});

test("a clone that is deleted while it is made leaves nothing behind", async (t) => {
  const { clone, until, hypervisor, client, untilGone } = await cloneLab(t);
  hypervisor.hang("clones.create", { times: 10 });
  await clone("copy", {});
  const started = await until(VMClone, "copy", ({ status }) => status?.phase === "Cloning");
  await client.delete(VMClone, { namespace: "default", name: "copy" });
  await untilGone(VMClone, "copy");
  await untilGone(VirtualMachine, "copy");
  await untilGone(VMSnapshot, started.status?.snapshotRef?.name ?? "");
});

test("a machine that is there already is not touched", async (t) => {
  const { clone, until, client } = await cloneLab(t);
  await clone("mine", { target: { name: "web" } });
  const failed = await until(VMClone, "mine", isFailed);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "TargetExists");
  const web = await client.get(VirtualMachine, { namespace: "default", name: "web" });
  assert.equal(web.metadata.deletionTimestamp, undefined);
});

test("a source that does not exist is waited for", async (t) => {
  const { clone, until, client } = await cloneLab(t);
  await clone("copy", { source: { vmRef: { name: "later" } } });
  const waits = await until(VMClone, "copy", ({ status }) => status?.phase === "Pending");
  assert.match(waits.status?.message ?? "", /"later" does not exist/);
  const spec = { classRef: { name: "small" }, imageRef: { name: "debian" }, providerRef: { name: "sim" } };
  await client.create(VirtualMachine, machine("later", spec));
  await until(VMClone, "copy", isReady);
});

test("another namespace must agree, and its clone finds what the source names", async (t) => {
  const { clone, until, client } = await cloneLab(t);
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
  const { clone, until, client, hypervisor } = await cloneLab(t);
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
  const { clone, until, client, remove } = await cloneLab(t);
  await clone("copy", { powerOn: true });
  await until(VMClone, "copy", isReady);
  const { spec, metadata } = await client.get(VirtualMachine, { namespace: "default", name: "copy" });
  await remove(VirtualMachine, "copy");
  const { labels = {}, annotations = {} } = metadata;
  const again = { ...headOf(VirtualMachine, "copy"), spec };
  await client.create(VirtualMachine, { ...again, metadata: { ...again.metadata, labels, annotations } });
  const blocked = await until(VirtualMachine, "copy", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "CloneNotFound";
  });
  assert.match(blocked.status?.message ?? "", /clone again/);
});
