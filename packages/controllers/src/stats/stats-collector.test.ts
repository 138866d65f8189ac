// The collector with a simulated hypervisor and time in the test's hands, seen through /metrics.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { KubeObject, Provider, StoragePool, VirtualMachine } from "@vivarium/api";
import { createSimulatedHypervisor } from "@vivarium/provider";
import type { VmDefinition } from "@vivarium/provider";
import { ManualClock } from "@vivarium/runtime";
import { pino } from "pino";
import { Registry } from "prom-client";
import type { RegistryEvent } from "../provider-registry.ts";
import { exposeStats } from "./expose-stats.ts";
import { StatsCollector } from "./stats-collector.ts";
import { shownSamples } from "./vm-sample.ts";

const infra = "infra.virtrigaud.io/v1beta1";
const namespace = "default";
const intervalMs = 10_000;
const uid = "00000000-0000-4000-8000-000000000001";

class Objects<T extends KubeObject> {
  items: T[] = [];
  list(): readonly T[] {
    return this.items;
  }
  get({ name }: { readonly name: string }): T | undefined {
    return this.items.find(({ metadata }) => metadata.name === name);
  }
}

function machine(name: string, id: string): VirtualMachine {
  return {
    apiVersion: infra,
    kind: "VirtualMachine",
    metadata: { name, namespace, uid: id },
    spec: { networks: [{ name: "lan" }] },
    status: { id },
  };
}

async function lab(t: TestContext) {
  const clock = new ManualClock();
  const sim = createSimulatedHypervisor({ clock });
  const open = sim.open();
  const key = { namespace, name: "local", host: "local" };
  const machines = new Objects<VirtualMachine>();
  const pools = new Objects<StoragePool>();
  const providerObjects = new Objects<Provider>();
  providerObjects.items.push({
    apiVersion: infra,
    kind: "Provider",
    metadata: { name: "local", namespace },
    spec: { type: "sim", endpoint: "sim" },
  });
  const sources = {
    providers: {
      get: () => open,
      subscribe(listener: (event: RegistryEvent) => void, options: { readonly signal: AbortSignal }) {
        open.subscribe((event) => listener({ provider: { ...key, host: key.name }, event }), options);
      },
    },
    providerObjects,
    machines,
    pools,
  };
  const collector = new StatsCollector({
    ...sources,
    clock,
    logger: pino({ enabled: false }),
    intervalMs,
    historyMs: 5 * intervalMs,
  });
  const registry = new Registry();
  exposeStats(registry, { collector, sources });
  const vm = machine("web", uid);
  const definition: VmDefinition = {
    identity: { uid, namespace, name: "web" },
    cpus: 2,
    memoryBytes: 2 ** 30,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "root" }],
    networks: [{ name: "lan", source: { network: "default" }, model: "virtio", mac: "52:54:00:00:00:01" }],
  };
  await open.disks.ensureData(definition.identity, { name: "root", sizeBytes: 1, preallocated: false });
  await open.disks.writeSeed(definition.identity, new Uint8Array(1));
  await open.compute.define(definition);
  await open.compute.start(definition.identity);
  machines.items.push(vm);
  const end = new AbortController();
  const running = collector.run({ signal: end.signal });
  t.after(async () => {
    end.abort();
    await running;
  });
  await clock.advance(0);
  return {
    sim,
    clock,
    collector,
    machines,
    pools,
    compute: open.compute,
    identity: definition.identity,
    /** Values by series, of the metrics whose name begins so. */
    series: async (prefix: string): Promise<Readonly<Record<string, number>>> => {
      const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith(prefix));
      return Object.fromEntries(
        lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
      );
    },
  };
}

const web = `namespace="default",name="web",uid="${uid}"`;

test("one call a host and interval tells all; series have the VM's name and the names of its disks and NICs", async (t) => {
  const { sim, clock, series } = await lab(t);
  await clock.advance(intervalMs);
  const before = sim.calls.length;
  await clock.advance(intervalMs);
  assert.deepEqual(
    sim.calls.slice(before).map(({ method }) => method),
    ["stats.read"],
  );
  const cpu = (await series("vivarium_vm_cpu_seconds_total"))[`vivarium_vm_cpu_seconds_total{${web}}`] ?? 0;
  assert.ok(Math.abs(cpu - 4) < 0.01, `20 s at 20 %: ${cpu}`);
  assert.deepEqual(await series("vivarium_vm_disk_read_bytes_total"), {
    [`vivarium_vm_disk_read_bytes_total{${web},disk="root"}`]: 20 * 4096,
  });
  assert.deepEqual(await series("vivarium_vm_network_receive_bytes_total"), {
    [`vivarium_vm_network_receive_bytes_total{${web},interface="lan"}`]: 20 * 1024,
  });
});

test("counters go on over a restart of the guest and stand while it is off; gauges of what runs are away then", async (t) => {
  const { clock, series, compute, identity } = await lab(t);
  const name = `vivarium_vm_disk_read_bytes_total{${web},disk="root"}`;
  const read = async (): Promise<number | undefined> => (await series(name))[name];
  await clock.advance(intervalMs);
  await compute.forceOff(identity);
  await clock.advance(intervalMs);
  assert.equal(await read(), 10 * 4096);
  assert.deepEqual(await series("vivarium_vm_memory_resident_bytes"), {});
  assert.equal((await series("vivarium_vm_running"))[`vivarium_vm_running{${web}}`], 0);
  await compute.start(identity);
  await clock.advance(intervalMs);
  assert.equal(await read(), 20 * 4096);
});

test("the series of a VM end with it", async (t) => {
  const { clock, series, machines, collector } = await lab(t);
  assert.equal(Object.keys(await series("vivarium_vm_info")).length, 1);
  machines.items = [];
  assert.deepEqual(await series("vivarium_vm_"), {});
  await clock.advance(intervalMs);
  assert.equal(collector.vm(uid), undefined, "nothing of it is kept");
});

test("domains of others are in the host's figures alone", async (t) => {
  const { sim, clock, series } = await lab(t);
  sim.addForeignDomain({ name: "theirs", uid: "00000000-0000-4000-8000-000000000002" });
  await clock.advance(intervalMs);
  const host = `provider_namespace="default",provider="local",host="local"`;
  assert.deepEqual(await series("vivarium_host_domains"), {
    [`vivarium_host_domains{${host},managed="true",power="running"}`]: 1,
    [`vivarium_host_domains{${host},managed="false",power="running"}`]: 1,
  });
  assert.equal((await series("vivarium_host_assigned_cpus"))[`vivarium_host_assigned_cpus{${host}}`], 3);
  assert.equal((await series("vivarium_host_cpu_over"))[`vivarium_host_cpu_overcommit_ratio{${host}}`], 3 / 16);
  assert.deepEqual(Object.keys(await series("vivarium_vm_running")), [`vivarium_vm_running{${web}}`]);
});

test("a host that is lost is down at once and has no other series, and is asked again when it is back", async (t) => {
  const { sim, clock, series } = await lab(t);
  const up = `vivarium_host_up{provider_namespace="default",provider="local",host="local"}`;
  assert.equal((await series("vivarium_host_up"))[up], 1);
  sim.disconnect();
  await clock.advance(0);
  assert.deepEqual(await series("vivarium_"), { [up]: 0 });
  await clock.advance(3 * intervalMs);
  assert.deepEqual(await series("vivarium_"), { [up]: 0 });
  sim.reconnect();
  await clock.advance(0);
  assert.equal((await series("vivarium_host_up"))[up], 1);
  assert.equal(Object.keys(await series("vivarium_vm_info")).length, 1);
});

test("a host that does not answer within an interval is down, and is not asked twice at a time", async (t) => {
  const { sim, clock, series } = await lab(t);
  sim.hang("stats.read", { times: 2 });
  await clock.advance(intervalMs);
  const asked = sim.calls.length;
  await clock.advance(intervalMs - 1);
  assert.equal(sim.calls.length, asked);
  await clock.advance(1);
  assert.deepEqual(Object.values(await series("vivarium_host_up")), [0]);
  await clock.advance(intervalMs);
  assert.deepEqual(Object.values(await series("vivarium_host_up")), [1]);
});

test("a pool's series are those of its status, as long as its host answers", async (t) => {
  const { sim, clock, series, pools } = await lab(t);
  pools.items.push({
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "StoragePool",
    metadata: { name: "fast", namespace },
    spec: { adopt: { name: "nvme" } },
    status: { phase: "Ready", capacityBytes: 1000, availableBytes: 400, allocationBytes: 600, provisionedBytes: 1500 },
  });
  const labels = `namespace="default",name="fast",pool="nvme",provider_namespace="default",provider="local"`;
  const seen = await series("vivarium_storage_pool");
  assert.equal(seen[`vivarium_storage_pool_available_bytes{${labels}}`], 400);
  assert.equal(seen[`vivarium_storage_pool_overcommit_ratio{${labels}}`], 1.5);
  sim.disconnect();
  await clock.advance(0);
  assert.deepEqual(await series("vivarium_storage_pool"), {});
});

test("the history has rates, and is as long as it may be", async (t) => {
  const { clock, collector } = await lab(t);
  await clock.advance(20 * intervalMs);
  const samples = shownSamples(collector.vm(uid)?.history.last() ?? [], 100);
  assert.equal(samples.length, 5);
  assert.equal(samples[0]?.cpu.percent, undefined);
  const newest = samples.at(-1);
  assert.equal(newest?.cpu.percent, 20);
  assert.equal(newest.disk.readBytesPerSecond, 4096);
  assert.equal(newest.disk.requestsPerSecond, 3);
  assert.equal(newest.network.sentBytesPerSecond, 2048);
  assert.deepEqual(shownSamples(collector.vm(uid)?.history.last() ?? [], 1), [newest]);
});
