import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, VirtualMachine, VMClone, VMSnapshot, VMTemplate } from "@vivarium/api";
import type { VMTemplateSpec } from "@vivarium/api";
import { cloneLab } from "../testing/clone-lab.ts";
import type { CloneLab } from "../testing/clone-lab.ts";
import { headOf } from "../testing/controllers-lab.ts";

const isReady = ({ status }: VMTemplate): boolean => status?.phase === "Ready";

function keep({ client }: CloneLab, name: string, spec: Partial<VMTemplateSpec> = {}): Promise<VMTemplate> {
  const source = { vmRef: { name: "web" } };
  return client.create(VMTemplate, { ...headOf(VMTemplate, name), spec: { source, ...spec } });
}

test("a template keeps what its source was, and machines are made of it after the source is gone", async (t) => {
  const lab = await cloneLab(t, { disks: [{ name: "data", sizeGiB: 1 }] });
  const { until, write, remove, untilGone, clone, client, dataOf } = lab;
  await write("web", "kept");
  await keep(lab, "web-v1", { name: "web", version: "1" });
  const made = await until(VMTemplate, "web-v1", isReady);
  assert.deepEqual(
    [made.status?.disks?.map(({ name }) => name), made.status?.provider, made.status?.consistency],
    [["root", "data"], "default/sim", "Crash"],
  );
  const [base] = (await client.list(VMSnapshot, { namespace: "default" })).items;
  if (base !== undefined) await untilGone(VMSnapshot, base.metadata.name);
  await remove(VirtualMachine, "web");
  for (const linked of [true, false]) {
    const name = linked ? "linked" : "full";
    await clone(name, { source: { templateRef: { name: "web" } }, linked, powerOn: true });
    const done = await until(VMClone, name, ({ status }) => status?.phase === "Ready");
    assert.equal(done.status?.source, "VMTemplate/web-v1");
    assert.equal(await dataOf(name), "kept");
    const vm = await client.get(VirtualMachine, { namespace: "default", name });
    assert.deepEqual([vm.spec.classRef?.name, vm.spec.disks?.length], ["small", 1]);
  }
});

test("a template that machines back onto is not removed, and says whose", async (t) => {
  const lab = await cloneLab(t);
  const { until, remove, untilGone, clone, client, hypervisor } = lab;
  await keep(lab, "web-v1");
  const { metadata } = await until(VMTemplate, "web-v1", isReady);
  await clone("copy", { source: { templateRef: { name: "web-v1" } }, linked: true });
  await until(VMClone, "copy", ({ status }) => status?.phase === "Ready");
  await until(VMTemplate, "web-v1", ({ status }) => status?.usedBy?.[0] === "copy");
  await client.delete(VMTemplate, { namespace: "default", name: "web-v1" });
  const held = await until(VMTemplate, "web-v1", ({ status }) => {
    return findCondition(status?.conditions, "Ready")?.reason === "InUse";
  });
  assert.match(held.status?.message ?? "", /back onto it: copy\./);
  hypervisor.fail("disks.remove");
  await remove(VirtualMachine, "copy");
  await untilGone(VMTemplate, "web-v1");
  assert.deepEqual(hypervisor.world.volumesOf(metadata.uid ?? ""), []);
});

test("a clone waits for a template, and takes the last version that is ready", async (t) => {
  const lab = await cloneLab(t);
  const { until, write, clone, dataOf, hypervisor } = lab;
  await clone("copy", { source: { templateRef: { name: "web" } }, powerOn: true });
  await until(VMClone, "copy", ({ status }) => /"default\/web" does not exist/.test(status?.message ?? ""));
  await write("web", "nine");
  hypervisor.loseAnswer("clones.create");
  await keep(lab, "web-v9", { name: "web", version: "9" });
  await until(VMTemplate, "web-v9", isReady);
  await until(VMClone, "copy", ({ status }) => status?.phase === "Ready");
  assert.equal(await dataOf("copy"), "nine");
  await write("web", "ten");
  await keep(lab, "web-v10", { name: "web", version: "10" });
  await until(VMTemplate, "web-v10", isReady);
  await clone("later", { source: { templateRef: { name: "web" } }, powerOn: true });
  await until(VMClone, "later", ({ status }) => status?.phase === "Ready");
  assert.equal(await dataOf("later"), "ten");
});

test("what cannot be kept is told, and nothing is left of it", async (t) => {
  const lab = await cloneLab(t);
  const { until, remove, hypervisor } = lab;
  await keep(lab, "both", { source: { vmRef: { name: "web" }, snapshotRef: { name: "x" } } });
  await until(VMTemplate, "both", ({ status }) => /expected one of/.test(status?.message ?? ""));
  hypervisor.fail("clones.create", { times: 10, code: "NoSpace", message: "the pool is full" });
  await keep(lab, "full");
  const failed = await until(VMTemplate, "full", ({ status }) => status?.phase === "Failed");
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.reason, "NoSpace");
  for (const name of ["both", "full"]) await remove(VMTemplate, name);
});
