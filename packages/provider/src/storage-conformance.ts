// What every provider with storage promises: the part of the conformance suite about pools, volumes and disks of running VMs.

import assert from "node:assert/strict";
import { definitionOf, build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { HotplugRole, PoolDefinition, PoolRef, PoolRole, VolumeCreation, VolumeRole } from "./storage.ts";

const mib = 2 ** 20;
const empty: VolumeCreation = { format: "qcow2", sizeBytes: 4 * mib, preallocation: "none" };

interface Storage extends ConformanceSubject {
  readonly pools: PoolRole;
  readonly volumes: VolumeRole;
  readonly hotplug: HotplugRole;
}

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function storageRules(rule: Rule): void {
  /** Skipped where the provider has no storage. */
  const storageRule = (title: string, run: (subject: Storage) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { pools, volumes, hotplug } = subject.provider;
      if (pools === undefined || volumes === undefined || hotplug === undefined) return;
      await run({ ...subject, pools, volumes, hotplug });
    });
  const inPool = (title: string, run: (subject: Storage, pool: PoolDefinition) => Promise<void>): void =>
    storageRule(title, async (subject) => {
      const pool = subject.newPool();
      await subject.pools.create(pool);
      await run(subject, pool);
      await subject.pools.remove(madeRef(pool));
    });

  storageRule("what does not exist of storage is absent, and removing it is success", async (subject) => {
    const pool = subject.newPool();
    assert.deepEqual(await subject.pools.observe(madeRef(pool)), { kind: "absent" });
    await subject.pools.remove(madeRef(pool));
    await rejects(subject.pools.refresh(madeRef(pool)), "NotFound");
    const volume = { pool: pool.name, name: "none.qcow2" };
    assert.equal((await subject.volumes.observe(volume)).kind, "pool-away");
    await subject.volumes.remove(volume);
  });

  storageRule("a pool is made, seen and removed, each step twice", async ({ pools, newPool }) => {
    const pool = newPool();
    await pools.check(pool);
    await pools.create(pool);
    await pools.create(pool);
    const seen = await pools.observe(madeRef(pool));
    assert.equal(seen.kind, "present");
    assert.ok(seen.isActive && seen.capacityBytes > 0 && seen.availableBytes <= seen.capacityBytes);
    assert.deepEqual([seen.type, seen.volumes, seen.provisionedBytes], ["dir", 0, 0]);
    await pools.refresh(madeRef(pool));
    await pools.remove(madeRef(pool));
    await pools.remove(madeRef(pool));
    assert.deepEqual(await pools.observe(madeRef(pool)), { kind: "absent" });
  });

  storageRule("a pool that the host cannot make is refused before anything is touched", async ({ pools, newPool }) => {
    const pool = newPool();
    const { path: _, ...pathless } = pool;
    await rejects(pools.check(pathless), "InvalidSpec");
    await rejects(pools.check({ ...pool, type: "vstorage", source: { name: "x" } }), "Unsupported");
    assert.deepEqual(await pools.observe(madeRef(pool)), { kind: "absent" });
  });

  inPool("a pool of that name that is not ours is never touched", async ({ pools, newPool }, pool) => {
    const other = { ...pool, uid: newPool().uid };
    assert.equal((await pools.observe(madeRef(other))).kind, "foreign");
    await rejects(pools.create(other), "Conflict");
    await pools.remove(madeRef(other));
    assert.equal((await pools.observe({ kind: "adopted", name: pool.name })).kind, "present");
  });

  inPool("a volume is made once, grown, never shrunk, and removed", async ({ pools, volumes }, pool) => {
    const volume = { pool: pool.name, name: "data.qcow2" };
    await volumes.create(volume, empty);
    await rejects(volumes.create(volume, empty), "AlreadyExists");
    const seen = await volumes.observe(volume);
    assert.equal(seen.kind, "present");
    assert.deepEqual([seen.format, seen.capacityBytes, seen.users], ["qcow2", 4 * mib, []]);
    const held = await pools.observe(madeRef(pool));
    assert.deepEqual(held.kind === "present" && [held.volumes, held.provisionedBytes], [1, 4 * mib]);
    await rejects(pools.remove(madeRef(pool)), "Conflict");
    await volumes.grow(volume, 8 * mib);
    await volumes.grow(volume, 8 * mib);
    await rejects(volumes.grow(volume, 4 * mib), "InvalidSpec");
    const grown = await volumes.observe(volume);
    assert.equal(grown.kind === "present" && grown.capacityBytes, 8 * mib);
    await volumes.remove(volume);
    await volumes.remove(volume);
    assert.deepEqual(await volumes.observe(volume), { kind: "absent" });
    await rejects(volumes.grow(volume, 8 * mib), "NotFound");
  });

  inPool("a volume that another backs onto stays; a copy needs nobody", async ({ volumes }, pool) => {
    const source = { pool: pool.name, name: "source.qcow2" };
    const linked = { pool: pool.name, name: "linked.qcow2" };
    const copy = { pool: pool.name, name: "copy.qcow2" };
    await rejects(volumes.create(copy, { ...empty, from: { source: { volume: source }, method: "copy" } }), "NotFound");
    await volumes.create(source, empty);
    await volumes.create(linked, { ...empty, from: { source: { volume: source }, method: "linked" } });
    await volumes.create(copy, {
      ...empty,
      sizeBytes: 6 * mib,
      from: { source: { volume: source }, method: "copy" },
    });
    const refusal = await rejects(volumes.remove(source), "Conflict");
    assert.match(refusal.message, /linked\.qcow2/);
    const copied = await volumes.observe(copy);
    assert.equal(copied.kind === "present" && copied.capacityBytes, 6 * mib);
    await volumes.remove(linked);
    await volumes.remove(source);
    assert.equal((await volumes.observe(copy)).kind, "present");
    await volumes.remove(copy);
  });

  inPool("a volume begins as an image", async ({ provider, volumes, image }, pool) => {
    const volume = { pool: pool.name, name: "boot.qcow2" };
    const { id } = await provider.images.import(image);
    await volumes.create(volume, { ...empty, from: { source: { imageId: id }, method: "copy" } });
    const seen = await volumes.observe(volume);
    assert.equal(seen.kind === "present" && seen.capacityBytes, Math.max(image.virtualSizeBytes, empty.sizeBytes));
    await volumes.remove(volume);
  });

  inPool("an image is not removed from under a volume, in whatever pool that is", async (subject, pool) => {
    const { provider, volumes, image } = subject;
    const volume = { pool: pool.name, name: "linked.qcow2" };
    const { id } = await provider.images.import(image);
    await volumes.create(volume, { ...empty, from: { source: { imageId: id }, method: "linked" } });
    const refusal = await rejects(provider.images.remove(image.digest), "Conflict");
    assert.ok(refusal.message.includes(volume.name), refusal.message);
    await volumes.remove(volume);
  });

  inPool("a volume that a VM has is deleted by nobody and given to no other VM", async (subject, pool) => {
    const { provider, volumes, newVm } = subject;
    const volume = { pool: pool.name, name: "shared.qcow2" };
    await volumes.create(volume, empty);
    const vm = newVm();
    const withDisk = { ...definitionOf(vm), disks: [{ name: "root" }, { name: "data", volume }] };
    await build(subject, vm);
    await provider.compute.define(withDisk);
    const seen = await provider.compute.observe(vm);
    assert.deepEqual(seen.kind === "present" && seen.disks.map((disk) => disk.name), ["root", "data"]);
    const refusal = await rejects(volumes.remove(volume), "Conflict");
    assert.ok(refusal.message.includes(vm.name), refusal.message);
    const other = newVm();
    await build(subject, other);
    const stolen = { ...definitionOf(other), disks: withDisk.disks };
    await rejects(provider.compute.define(stolen), "Conflict");
    await dismantle(provider, other);
    await dismantle(provider, vm);
    await volumes.remove(volume);
  });

  inPool("disks are plugged into a running VM, limited and grown; not into one that is off", async (subject, pool) => {
    const { provider, volumes, hotplug, newVm } = subject;
    const volume = { pool: pool.name, name: "hot.qcow2" };
    await volumes.create(volume, empty);
    const vm = newVm();
    await build(subject, vm);
    await rejects(hotplug.attachDisk(vm, { name: "hot", volume }), "Conflict");
    await provider.compute.start(vm);
    await rejects(hotplug.attachDisk(vm, { name: "no", volume: { ...volume, name: "no.qcow2" } }), "NotFound");
    await hotplug.attachDisk(vm, { name: "hot", volume, serial: "HOT-1" });
    await hotplug.attachDisk(vm, { name: "hot", volume, serial: "HOT-1" });
    await provider.disks.ensureData(vm, { name: "own", sizeBytes: 4 * mib, preallocated: false });
    await hotplug.attachDisk(vm, { name: "own", bus: "scsi" });
    await hotplug.tuneDisk(vm, { name: "hot", limits: { totalIops: 200, readBytes: mib } });
    await hotplug.growDisk(vm, { name: "own", sizeBytes: 8 * mib });
    await rejects(hotplug.growDisk(vm, { name: "own", sizeBytes: 4 * mib }), "InvalidSpec");
    await volumes.grow(volume, 8 * mib);
    const seen = await provider.compute.observe(vm);
    assert.equal(seen.kind, "present");
    assert.deepEqual(seen.disks.map((disk) => disk.name).toSorted(), ["hot", "own", "root"]);
    const limits = seen.disks.find((disk) => disk.name === "hot")?.limits;
    assert.deepEqual(limits, { totalIops: 200, readBytes: mib });
    await hotplug.tuneDisk(vm, { name: "hot" });
    await hotplug.requestDetach(vm, "hot");
    await hotplug.requestDetach(vm, "never-there");
    await rejects(provider.compute.undefine(vm), "Conflict");
    await dismantle(provider, vm);
    const grown = await volumes.observe(volume);
    assert.deepEqual(grown.kind === "present" && [grown.capacityBytes, grown.users], [8 * mib, []]);
    await volumes.remove(volume);
  });
}

function madeRef({ uid, name }: PoolDefinition): Extract<PoolRef, { kind: "made" }> {
  return { kind: "made", uid, name };
}
