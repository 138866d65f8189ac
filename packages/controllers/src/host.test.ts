import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, Host, Provider, zoneLabel } from "@vivarium/api";
import { controllersLab, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";

const key = { namespace: "default", name: "lab" };
const gib = 1024 ** 3;

function readyOf(host: Host) {
  return findCondition(host.status?.conditions, "Ready");
}

test("a Provider with one endpoint has one Host of its name, which says what was found", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  const { status, spec, metadata } = await until(Host, "lab", (host) => readyOf(host)?.status === "True");
  assert.deepEqual(spec, { providerRef: { name: "lab" } });
  assert.equal(metadata.ownerReferences?.[0]?.name, "lab");
  assert.deepEqual(status?.capacity, { cpus: 16, memoryBytes: 32 * gib, memory: "32Gi" });
  assert.deepEqual(status.versions, { hypervisor: "sim 1" });
  assert.deepEqual(status.allocated, { machines: 0, cpus: 0, memoryBytes: 0, memory: "0" });
  assert.equal(status.capabilities?.hotplug, true);
  assert.notEqual(status.lastSeen, undefined);
});

test("what machines may take is the capacity without the reserve, times the over-commitment", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  const hostPolicy = {
    reservedCpus: 4,
    reservedMemory: "2Gi",
    cpuOvercommitPercent: 200,
    memoryOvercommitPercent: 150,
  };
  await client.create(Provider, provider("lab", { hostPolicy }));
  const found = await until(Host, "lab", (host) => host.status?.allocatable !== undefined);
  assert.deepEqual(found.status?.allocatable, { cpus: 24, memoryBytes: 45 * gib, memory: "45Gi" });
  await client.mergePatch(Provider, key, { spec: { hostPolicy: { reservedMemory: "64Gi" } } });
  await until(Host, "lab", (host) => host.status?.allocatable?.memoryBytes === 0);
  await client.mergePatch(Provider, key, { spec: { hostPolicy: { reservedMemory: "99999999Ei" } } });
  const refused = await until(Host, "lab", (host) => readyOf(host)?.reason === "InvalidSpec");
  assert.match(readyOf(refused)?.message ?? "", /spec\.hostPolicy/);
});

test("domains of others are counted apart, a moment after they come; free memory that hardly moves is not written", async (t) => {
  const { client, run, until, hypervisor, clock } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab", { healthCheck: { interval: "1h" } }));
  const before = await until(Host, "lab", (host) => readyOf(host)?.status === "True");
  hypervisor.addForeignDomain({ name: "theirs", uid: "11111111-1111-4111-8111-111111111111" });
  hypervisor.world.emit({ kind: "vm", uid: "11111111-1111-4111-8111-111111111111", change: "started" });
  await clock.advance(1_900);
  assert.equal((await client.get(Host, key)).metadata.resourceVersion, before.metadata.resourceVersion);
  await eventually(async () => {
    await clock.advance(200);
    const { status } = await client.get(Host, key);
    return status?.allocatedByOthers?.machines === 1 && status.allocated?.machines === 0;
  }, "the count");
});

test("a host that hangs up is not Ready and says why; what was found stays, and lastSeen tells when", async (t) => {
  const { client, run, until, hypervisor } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  const up = await until(Host, "lab", (host) => readyOf(host)?.status === "True");
  hypervisor.disconnect();
  const down = await until(Host, "lab", (host) => readyOf(host)?.status === "False");
  assert.equal(readyOf(down)?.reason, "Unreachable");
  assert.deepEqual(down.status?.capacity, up.status?.capacity);
  assert.equal(down.status?.lastSeen, up.status?.lastSeen);
  hypervisor.reconnect();
  await until(Host, "lab", (host) => readyOf(host)?.status === "True");
});

test("a Host that somebody deletes is made again; with the Provider it goes", async (t) => {
  const { client, run, until, providers } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  const first = await until(Host, "lab", (host) => readyOf(host)?.status === "True");
  await client.delete(Host, key);
  await eventually(async () => {
    const { items } = await client.list(Host);
    return items.some((host) => host.metadata.uid !== first.metadata.uid && readyOf(host)?.status === "True");
  }, "another Host");
  await client.delete(Provider, key);
  await eventually(async () => (await client.list(Host)).items.length === 0, "no Host");
  await eventually(() => providers.get(key) === undefined, "the close");
});

test("the zone is the host's label", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  await until(Host, "lab", (host) => readyOf(host)?.status === "True");
  await client.mergePatch(Host, key, { metadata: { labels: { [zoneLabel]: "rack-1" } } });
  await until(Host, "lab", (host) => host.status?.zone === "rack-1");
  await client.mergePatch(Host, key, { metadata: { labels: { [zoneLabel]: null } } });
  await until(Host, "lab", (host) => host.status?.zone === undefined);
});

test("a Provider with an endpoint and hosts is refused", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab", { hosts: [{ name: "one", endpoint: "sim://one" }] }));
  const refused = await until(Host, "one", (host) => readyOf(host)?.reason === "InvalidSpec");
  assert.match(readyOf(refused)?.message ?? "", /exclude each other/);
});
