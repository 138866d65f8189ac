// What every provider with clones promises: the part of the conformance suite about copies of disks.

import assert from "node:assert/strict";
import type { CloneProgress, CloneRole, CloneSource } from "./clones.ts";
import { build, definitionOf, dismantle, rejects, seed } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { VmIdentity } from "./provider.ts";
import type { SnapshotRole } from "./snapshots.ts";

interface Clones extends ConformanceSubject {
  readonly clones: CloneRole;
  readonly snapshots: SnapshotRole;
}

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function cloneRules(rule: Rule): void {
  /** Skipped where the provider has no clones. */
  const cloneRule = (title: string, run: (subject: Clones, vm: VmIdentity) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { clones, snapshots } = subject.provider;
      if (clones !== undefined && snapshots !== undefined) {
        await run({ ...subject, clones, snapshots }, subject.newVm());
      }
    });

  cloneRule("what is not there is not cloned, and nothing is left of the try", async (subject, vm) => {
    const { clones, newVm, provider } = subject;
    const target = newVm();
    const method = "full";
    await rejects(clones.create(target, { method, source: { kind: "snapshot", vm, uid: newVm().uid } }), "NotFound");
    await rejects(clones.create(target, { method, source: { kind: "disks", owner: newVm() } }), "NotFound");
    const imageId = `image-${"0".repeat(24)}-1.qcow2`;
    await rejects(clones.create(target, { method, source: { kind: "image", imageId } }), "NotFound");
    await build(subject, vm);
    await rejects(clones.create(target, { method, source: { kind: "snapshot", vm, uid: newVm().uid } }), "NotFound");
    assert.deepEqual(await provider.compute.observe(target), { kind: "absent", volumes: [] });
    await rejects(clones.unlink(target), "NotFound");
    await dismantle(provider, vm);
  });

  cloneRule("a clone into a VM that has a domain is refused, also into somebody else's", async (subject, vm) => {
    const { clones, newVm, provider, makeForeign } = subject;
    const source = await snapshotOf(subject, vm);
    const made = newVm();
    await build(subject, made);
    await rejects(clones.create(made, { method: "linked", source }), "Conflict");
    const foreign = newVm();
    await makeForeign(foreign);
    await rejects(clones.create(foreign, { method: "full", source }), "Conflict");
    await dismantle(provider, made);
    await dismantle(provider, vm);
  });

  for (const method of ["full", "linked"] as const) {
    cloneRule(`a ${method} clone of a VM that runs is a VM that runs`, async (subject, vm) => {
      const { clones, newVm, provider, snapshots } = subject;
      await build(subject, vm);
      await provider.compute.start(vm);
      const source = await snapshotOf(subject, vm);
      const target = newVm();
      const seen: CloneProgress[] = [];
      const disks = await clones.create(target, { method, source }, { onProgress: (each) => seen.push(each) });
      assert.deepEqual(
        disks.map(({ name }) => name),
        ["root"],
      );
      assert.ok((disks[0]?.sizeBytes ?? 0) > 0);
      assert.deepEqual([seen.at(-1)?.doneDisks, seen.at(-1)?.totalDisks], [1, 1]);
      // A repeat, after an answer that was lost, makes the same.
      assert.deepEqual(await clones.create(target, { method, source }), disks);
      await start(subject, target);
      const isOn = async (each: VmIdentity): Promise<boolean> => {
        const now = await provider.compute.observe(each);
        return now.kind === "present" && now.power === "running";
      };
      assert.ok(await isOn(target));
      assert.ok(await isOn(vm));
      if (method === "linked") await clones.unlink(target);
      await clones.unlink(target);
      // It stands on its own.
      await snapshots.remove(vm, source.uid);
      await dismantle(provider, vm);
      assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
      await provider.compute.forceOff(target);
      await provider.compute.start(target);
      await dismantle(provider, target);
      assert.deepEqual(await provider.compute.observe(target), { kind: "absent", volumes: [] });
    });
  }

  cloneRule("what a linked clone needs is not removed from under it, and its name is told", async (subject, vm) => {
    const { clones, newVm, provider, snapshots } = subject;
    const source = await snapshotOf(subject, vm);
    const target = newVm();
    await clones.create(target, { method: "linked", source });
    await start(subject, target);
    // The snapshot may go: what it held stays for as long as the clone needs it.
    await snapshots.remove(vm, source.uid);
    await provider.compute.undefine(vm);
    const refusal = await rejects(provider.disks.remove(vm), "Conflict");
    assert.ok(refusal.message.includes(target.name), `${refusal.message} names ${target.name}`);
    await dismantle(provider, target);
    await provider.disks.remove(vm);
    assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
  });

  cloneRule("a clone with snapshots of its own is not made independent", async (subject, vm) => {
    const { clones, newVm, provider, snapshots } = subject;
    const source = await snapshotOf(subject, vm);
    const target = newVm();
    await clones.create(target, { method: "linked", source });
    await start(subject, target);
    const own = newVm();
    await snapshots.create(target, { uid: own.uid, name: own.name, memory: false, quiesce: "never" });
    await rejects(clones.unlink(target), "Conflict");
    await snapshots.remove(target, own.uid);
    await provider.compute.forceOff(target);
    await clones.unlink(target);
    await snapshots.remove(vm, source.uid);
    await dismantle(provider, vm);
    await dismantle(provider, target);
  });

  cloneRule("disks that never had a domain, and images, are cloned as well", async (subject, vm) => {
    const { clones, newVm, provider, image, snapshots } = subject;
    const source = await snapshotOf(subject, vm);
    const template = newVm();
    await clones.create(template, { method: "full", source });
    await rejects(clones.read(template, "other"), "NotFound");
    const file = await clones.read(template, "root");
    let readBytes = 0;
    for await (const chunk of file.bytes) readBytes += chunk.byteLength;
    assert.equal(readBytes, file.sizeBytes);
    await snapshots.remove(vm, source.uid);
    await dismantle(provider, vm);
    const target = newVm();
    await clones.create(target, { method: "linked", source: { kind: "disks", owner: template } });
    await rejects(clones.read(target, "root"), "Conflict");
    await start(subject, target);
    await rejects(provider.disks.remove(template), "Conflict");
    await dismantle(provider, target);
    await provider.disks.remove(template);
    const { id } = await provider.images.import(image);
    for (const method of ["full", "linked"] as const) {
      const disks = await clones.create(target, { method, source: { kind: "image", imageId: id } });
      assert.deepEqual(disks, [{ name: "root", sizeBytes: image.virtualSizeBytes }]);
    }
    await start(subject, target);
    await dismantle(provider, target);
    assert.deepEqual(await provider.compute.observe(target), { kind: "absent", volumes: [] });
  });
}

/** Builds the VM where it is not there. */
async function snapshotOf(subject: Clones, vm: VmIdentity): Promise<Extract<CloneSource, { kind: "snapshot" }>> {
  const { provider, snapshots, newVm } = subject;
  if ((await provider.compute.observe(vm)).kind === "absent") await build(subject, vm);
  const { uid, name } = newVm();
  await snapshots.create(vm, { uid, name, memory: false, quiesce: "if-possible", method: "external" });
  return { kind: "snapshot", vm, uid };
}

async function start({ provider }: ConformanceSubject, vm: VmIdentity): Promise<void> {
  await provider.disks.writeSeed(vm, seed);
  await provider.compute.define(definitionOf(vm));
  await provider.compute.start(vm);
}
