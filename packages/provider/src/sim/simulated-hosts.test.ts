import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProviderConfig, VmIdentity } from "../provider.ts";
import { createSimulatedHosts } from "./simulated-hosts.ts";

const config = (endpoint: string): ProviderConfig => ({
  endpoint,
  credentials: {},
  pool: "vivarium",
  timeoutMs: 1_000,
});
const vm: VmIdentity = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };

test("each endpoint is a host, which is the same one when it is opened again", async () => {
  const factory = createSimulatedHosts();
  const uuid = async (endpoint: string) => (await factory.open(config(endpoint)).host?.details())?.uuid;
  const a = await uuid("sim://a");
  assert.ok(a !== undefined);
  assert.equal(await uuid("sim://a"), a);
  assert.notEqual(await uuid("sim://b"), a);
});

test("a machine goes from one to another with its disks where they are", async () => {
  const factory = createSimulatedHosts();
  const [here, there] = [factory.open(config("sim://a")), factory.open(config("sim://b"))];
  await here.disks.ensureData(vm, { name: "data", sizeBytes: 2 ** 20, preallocated: false });
  await here.disks.writeSeed(vm, new Uint8Array(2048));
  await here.compute.define({
    identity: vm,
    cpus: 1,
    memoryBytes: 2 ** 28,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "data" }],
    networks: [],
  });
  await here.compute.start(vm);
  assert.ok(here.migration !== undefined && there.migration !== undefined);
  const wish = { to: there.migration.target, mode: "live" } as const;
  const { storage, obstacles } = await here.migration.check(vm, wish);
  assert.deepEqual({ storage, obstacles }, { storage: "shared", obstacles: [] });
  await here.migration.move(vm, { ...wish, storage });
  assert.equal(await here.migration.settle(vm, { ...wish, storage }), "target");
  assert.equal((await there.describe()).vms, 1);
  assert.equal((await here.describe()).vms, 0);
});
