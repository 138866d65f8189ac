// StoragePools and Volumes over a real API server and the simulated hypervisor.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Event, findCondition, isStatus, Provider, StoragePool, VirtualMachine, Volume } from "@vivarium/api";
import type { KubeObject, ResourceType, StoragePoolSpec, VolumeSpec } from "@vivarium/api";
import { createStoragePoolController } from "./storage-pool.ts";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";
import { ScriptedImageCache } from "./testing/scripted-image-cache.ts";
import { createVolumeController } from "./volume.ts";

const namespace = "default";
const gib = 1024 ** 3;

async function lab(t: TestContext, poolSpec: StoragePoolSpec = { create: { type: "dir", path: "/srv" } }) {
  const base = await controllersLab(t);
  const { client, manager, providers, clock, hypervisor } = base;
  const imageCache = new ScriptedImageCache();
  const parts = { manager, providers, clock };
  base.run(createStoragePoolController(parts), createVolumeController({ ...parts, imageCache }));
  await client.create(Provider, provider("lab"));
  await client.create(StoragePool, { ...headOf(StoragePool, "fast"), spec: poolSpec });
  /** Time passes while it is waited. */
  const soon = <T extends KubeObject>(type: ResourceType<T>, name: string, isSo: (object: T) => boolean | undefined) =>
    eventually(async () => {
      await clock.advance(500);
      const object = await client.get(type, { namespace, name });
      return isSo(object) === true && object;
    }, `${type.kind} ${name}`);
  const gone = (type: ResourceType, name: string) =>
    eventually(async () => {
      await clock.advance(500);
      try {
        await client.get(type, { namespace, name });
        return false;
      } catch (error) {
        return isStatus(error, "NotFound");
      }
    }, `${type.kind} ${name} is gone`);
  return {
    ...base,
    imageCache,
    volumes: hypervisor.world.poolVolumes,
    gone,
    soon,
    createVolume: (name: string, spec: Partial<VolumeSpec> = {}) =>
      client.create(Volume, { ...headOf(Volume, name), spec: { poolRef: { name: "fast" }, size: "1Gi", ...spec } }),
    ready: (name: string, reason: string) => soon(Volume, name, (object) => conditionOf(object)?.reason === reason),
    poolReady: (reason: string) => soon(StoragePool, "fast", (object) => conditionOf(object)?.reason === reason),
  };
}

function conditionOf(object: Volume | StoragePool, type = "Ready") {
  return findCondition(object.status?.conditions, type);
}

test("a pool is made, reports its size, and goes with its object once it is empty", async (t) => {
  const { poolReady, hypervisor, createVolume, ready, client, gone } = await lab(t);
  const pool = await poolReady("Ready");
  assert.deepEqual([pool.status?.phase, pool.status?.type, pool.status?.usedPercent], ["Ready", "dir", 0]);
  assert.equal(hypervisor.world.pools.get("fast")?.uid, pool.metadata.uid);
  await createVolume("data");
  await ready("data", "Ready");
  await client.delete(StoragePool, { namespace, name: "fast" });
  const held = await poolReady("InUse");
  assert.match(conditionOf(held)?.message ?? "", /default\/data/);
  assert.ok(hypervisor.world.pools.has("fast"));
  await client.delete(Volume, { namespace, name: "data" });
  await gone(StoragePool, "fast");
  assert.equal(hypervisor.world.pools.size, 0);
});

test("an adopted pool is reported and let go of, never removed", async (t) => {
  const { poolReady, hypervisor, client, gone } = await lab(t, { adopt: { name: "old" } });
  await poolReady("PoolNotFound");
  await hypervisor.open().pools?.create({ uid: "theirs", name: "old", type: "dir", path: "/old" });
  const pool = await poolReady("Ready");
  assert.equal(pool.status?.pool, "old");
  await client.delete(StoragePool, { namespace, name: "fast" });
  await gone(StoragePool, "fast");
  assert.ok(hypervisor.world.pools.has("old"));
});

test("what the host cannot do is Unsupported, and nothing was touched", async (t) => {
  const { poolReady, hypervisor } = await lab(t, { create: { type: "logical", source: { name: "vg0" } } });
  const pool = await poolReady("Unsupported");
  assert.equal(pool.status?.phase, "Failed");
  assert.ok(!hypervisor.calls.some((call) => call.method === "pools.create"));
});

test("a pool of that name that is not ours is left alone", async (t) => {
  const { poolReady, hypervisor, client } = await lab(t, { adopt: { name: "other" } });
  await hypervisor.open().pools?.create({ uid: "theirs", name: "taken", type: "dir", path: "/old" });
  await client.create(StoragePool, {
    ...headOf(StoragePool, "taken"),
    spec: { create: { type: "dir", path: "/mine" } },
  });
  await eventually(async () => {
    const pool = await client.get(StoragePool, { namespace, name: "taken" });
    return conditionOf(pool)?.reason === "NameConflict";
  }, "the conflict");
  await poolReady("PoolNotFound");
  assert.equal(hypervisor.world.pools.get("taken")?.uid, "theirs");
});

test("a volume is made, grown, not shrunk, and deleted", async (t) => {
  const { createVolume, ready, soon, client, volumes, gone } = await lab(t);
  await createVolume("data");
  const made = await ready("data", "Ready");
  assert.deepEqual([made.status?.phase, made.status?.capacity, made.status?.format], ["Ready", "1Gi", "qcow2"]);
  const resize = (size: string) => client.mergePatch(Volume, { namespace, name: "data" }, { spec: { size } });
  await resize("3Gi");
  await soon(Volume, "data", (volume) => volume.status?.capacityBytes === 3 * gib);
  await resize("2Gi");
  const refused = await soon(Volume, "data", (volume) => conditionOf(volume, "Resized")?.reason === "ShrinkRefused");
  assert.equal(conditionOf(refused)?.status, "True");
  assert.deepEqual(
    [...volumes.values()].map((volume) => volume.sizeBytes),
    [3 * gib],
  );
  await client.delete(Volume, { namespace, name: "data" });
  await gone(Volume, "data");
  assert.equal(volumes.size, 0);
});

test("a volume that somebody removed is Lost, and not made again", async (t) => {
  const { createVolume, ready, volumes, client } = await lab(t);
  await createVolume("data");
  await ready("data", "Ready");
  volumes.clear();
  const lost = await ready("data", "VolumeLost");
  assert.equal(lost.status?.phase, "Lost");
  assert.equal(volumes.size, 0);
  const events = await client.list(Event);
  assert.ok(events.items.some((event) => event.reason === "VolumeLost" && event.type === "Warning"));
});

test("the guard refuses what the pool's policy does not allow, and says the numbers", async (t) => {
  const policy = { overcommitPercent: 100, minFreePercent: 5 };
  const { createVolume, ready, volumes, client } = await lab(t, { create: { type: "dir", path: "/srv" }, policy });
  await createVolume("big", { size: "600Gi" });
  await ready("big", "Ready");
  await createVolume("more", { size: "600Gi" });
  const waiting = await ready("more", "PoolFull");
  assert.match(conditionOf(waiting)?.message ?? "", /100 %/);
  assert.equal(volumes.size, 1);
  await client.mergePatch(StoragePool, { namespace, name: "fast" }, { spec: { policy: { overcommitPercent: 200 } } });
  await ready("more", "Ready");
});

test("two volumes that are made at once do not both get the last room", async (t) => {
  const policy = { overcommitPercent: 100 };
  const { createVolume, soon, volumes, poolReady } = await lab(t, { create: { type: "dir", path: "/srv" }, policy });
  await poolReady("Ready");
  await Promise.all([createVolume("a", { size: "600Gi" }), createVolume("b", { size: "600Gi" })]);
  for (const name of ["a", "b"]) await soon(Volume, name, (volume) => conditionOf(volume) !== undefined);
  await soon(Volume, "a", (volume) => ["Ready", "PoolFull"].includes(conditionOf(volume)?.reason ?? ""));
  await soon(Volume, "b", (volume) => ["Ready", "PoolFull"].includes(conditionOf(volume)?.reason ?? ""));
  assert.equal(volumes.size, 1);
});

test("a volume that a machine's spec names, or that is protected, stays until that is over", async (t) => {
  const { createVolume, ready, client, volumes, gone } = await lab(t);
  await createVolume("data", { deletionProtection: true });
  await ready("data", "Ready");
  await client.create(VirtualMachine, machine("web", { disks: [{ name: "data", volumeRef: { name: "data" } }] }));
  await client.delete(Volume, { namespace, name: "data" });
  await ready("data", "DeletionProtected");
  await client.mergePatch(Volume, { namespace, name: "data" }, { spec: { deletionProtection: false } });
  const held = await ready("data", "InUse");
  assert.match(conditionOf(held)?.message ?? "", /VirtualMachine\/web/);
  assert.equal(volumes.size, 1);
  await client.delete(VirtualMachine, { namespace, name: "web" });
  await gone(Volume, "data");
});

test("a volume that another backs onto stays", async (t) => {
  const { createVolume, ready, client, gone } = await lab(t);
  await createVolume("base");
  await client.create(Volume, {
    ...headOf(Volume, "clone"),
    spec: { poolRef: { name: "fast" }, source: { volumeRef: { name: "base" }, method: "linked" } },
  });
  const clone = await ready("clone", "Ready");
  assert.equal(clone.status?.capacity, "1Gi");
  await client.delete(Volume, { namespace, name: "base" });
  const held = await ready("base", "InUse");
  assert.match(conditionOf(held)?.message ?? "", /Volume\/clone/);
  await client.delete(Volume, { namespace, name: "clone" });
  await gone(Volume, "base");
});

for (const method of ["volumes.create", "volumes.remove", "volumes.grow"] as const) {
  test(`an answer of ${method} that is lost leaves one volume, then none`, async (t) => {
    const { createVolume, ready, soon, client, volumes, gone, hypervisor } = await lab(t);
    hypervisor.loseAnswer(method);
    await createVolume("data");
    await ready("data", "Ready");
    await client.mergePatch(Volume, { namespace, name: "data" }, { spec: { size: "2Gi" } });
    await soon(Volume, "data", (volume) => volume.status?.capacityBytes === 2 * gib);
    assert.equal(volumes.size, 1);
    await client.delete(Volume, { namespace, name: "data" });
    await gone(Volume, "data");
    assert.equal(volumes.size, 0);
  });
}

test("a full disk during a copy is told, and heals", async (t) => {
  const { createVolume, ready, hypervisor } = await lab(t);
  hypervisor.fail("volumes.create", { code: "NoSpace", message: "no room", times: 2 });
  await createVolume("data");
  const waiting = await ready("data", "PoolFull");
  assert.equal(waiting.status?.phase, "Pending");
  await ready("data", "Ready");
});

test("a volume from a URL is fetched and sent; another format is refused by name", async (t) => {
  const { client, ready, imageCache, volumes } = await lab(t);
  const url = "https://images.example/data";
  const spec = { poolRef: { name: "fast" }, source: { url } };
  await client.create(Volume, { ...headOf(Volume, "data"), spec });
  (await eventually(() => imageCache.fetches[0], "a fetch")).finish({ sizeBytes: gib });
  await ready("data", "Ready");
  assert.equal(volumes.size, 1);
  await client.create(Volume, { ...headOf(Volume, "raw"), spec: { ...spec, format: "raw" } });
  (await eventually(() => imageCache.fetches[1], "another fetch")).finish();
  const refused = await ready("raw", "InvalidSpec");
  assert.match(conditionOf(refused)?.message ?? "", /format "qcow2"/);
});
