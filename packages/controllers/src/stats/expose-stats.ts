// The figures on /metrics. Made when somebody asks, from what the hosts told last: a series is there as long as its VM and an answer of
// its host are.

import type { StoragePool } from "@vivarium/api";
import type { DomainStats } from "@vivarium/provider";
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import type { HostKey, ProviderKey } from "../provider-registry.ts";
import { providerOfPlaced } from "../placed/placed-object.ts";
import { poolNameOf } from "../storage-pool-target.ts";
import type { HostRecord, StatsCollector, StatsSources, VmRecord } from "./stats-collector.ts";
import { vmMetrics } from "./vm-metrics.ts";
import type { VmMetric } from "./vm-metrics.ts";

type Labels = Readonly<Record<string, string>>;
type Series = readonly (readonly [labels: Labels, value: number])[];
type UpHost = Extract<HostRecord, { kind: "up" }>;

interface MetricOptions {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
}

const vmLabels = ["namespace", "name", "uid"];
const providerLabels = ["provider_namespace", "provider"];
const hostLabels = [...providerLabels, "host"];

export function exposeStats(
  registry: Registry,
  { collector, sources }: { readonly collector: StatsCollector; readonly sources: StatsSources },
): void {
  const expose = (options: MetricOptions, series: () => Series): void => register(registry, options, series);
  exposeVms(expose, collector);
  exposeHosts(expose, collector);
  exposePools(expose, { collector, sources });
}

type Expose = (options: MetricOptions, series: () => Series) => void;

/** The registry keeps it, and asks for its series when it is asked. */
function register(registry: Registry, { name, kind, help, labels }: MetricOptions, series: () => Series): void {
  const common = { name, help, labelNames: [...labels], registers: [registry] };
  if (kind === "gauge") {
    void new Gauge({
      ...common,
      collect() {
        this.reset();
        for (const [of, value] of series()) this.set(of, value);
      },
    });
    return;
  }
  void new Counter({
    ...common,
    collect() {
      this.reset();
      for (const [of, value] of series()) this.inc(of, value);
    },
  });
}

function exposeVms(expose: Expose, collector: StatsCollector): void {
  for (const metric of vmMetrics) {
    const labels = metric.partLabel === undefined ? vmLabels : [...vmLabels, metric.partLabel];
    expose({ ...metric, labels }, () => collector.vms.flatMap((vm) => seriesOf(metric, vm)));
  }
  const info = ["power", "reason"];
  expose(
    {
      name: "vivarium_vm_info",
      kind: "gauge",
      help: "1; the labels say where the VM is, whether it runs, and why.",
      labels: [...vmLabels, ...hostLabels, ...info],
    },
    () =>
      collector.vms.map((vm) => {
        const { power, powerReason } = vm.stats;
        return [{ ...labelsOf(vm), ...hostLabelsOf(vm.host), power, reason: powerReason }, 1];
      }),
  );
}

function seriesOf(metric: VmMetric, vm: VmRecord): Series {
  const figures = metric.kind === "counter" ? vm.counters.figures(metric) : metric.figures(vm.stats);
  const of = labelsOf(vm);
  const { partLabel } = metric;
  return figures.map(({ part, value }) => [partLabel === undefined ? of : { ...of, [partLabel]: part }, value]);
}

function labelsOf({ namespace, name, uid }: VmRecord): Labels {
  return { namespace, name, uid };
}

function exposeHosts(expose: Expose, collector: StatsCollector): void {
  expose(
    {
      name: "vivarium_host_up",
      kind: "gauge",
      help: "1 when the host told its figures last time it was asked, else 0.",
      labels: hostLabels,
    },
    () => collector.hosts.map(({ key, kind }) => [hostLabelsOf(key), kind === "up" ? 1 : 0]),
  );
  const ofHost = (
    { name, kind = "gauge", help, labels = [] }: Pick<MetricOptions, "name" | "help"> & Partial<MetricOptions>,
    series: (host: UpHost) => Series,
  ): void =>
    expose({ name: `vivarium_host_${name}`, kind, help, labels: [...hostLabels, ...labels] }, () =>
      collector.hosts.flatMap((host) => {
        if (host.kind === "down") return [];
        const of = hostLabelsOf(host.key);
        return series(host).map(([more, value]) => [{ ...of, ...more }, value]);
      }),
    );
  const gauge = (name: string, help: string, of: (host: UpHost) => number): void =>
    ofHost({ name, help }, (host) => [[{}, of(host)]]);

  ofHost({ name: "info", help: "1; the host's own name.", labels: ["hostname"] }, ({ stats }) => [
    [{ hostname: stats.hostname }, 1],
  ]);
  gauge("stats_duration_seconds", "Time that the host took to tell its figures.", ({ tookMs }) => tookMs / 1000);
  gauge("cpus", "Processors.", ({ stats }) => stats.cpu.cpus);
  ofHost(
    {
      name: "cpu_seconds_total",
      kind: "counter",
      help: "Time of all processors since the host's start, by what they did.",
      labels: ["mode"],
    },
    ({ stats }) => cpuModes(stats.cpu),
  );
  ofHost({ name: "load", help: "Load average over so many minutes.", labels: ["minutes"] }, ({ stats }) =>
    (stats.load ?? []).map((value, index) => [{ minutes: ["1", "5", "15"][index] ?? "" }, value]),
  );
  gauge("memory_total_bytes", "Memory.", ({ stats }) => stats.memory.totalBytes);
  gauge("memory_free_bytes", "Memory that nothing is in.", ({ stats }) => stats.memory.freeBytes);
  gauge(
    "memory_available_bytes",
    "Memory that a guest could have: free, or the kernel gives it up.",
    ({ stats }) => stats.memory.freeBytes + stats.memory.reclaimableBytes,
  );
  ofHost(
    { name: "domains", help: "Domains, ours (managed) and those of others.", labels: ["managed", "power"] },
    domainCounts,
  );
  gauge("assigned_cpus", "Virtual CPUs of all domains that run.", assignedCpus);
  gauge("assigned_memory_bytes", "Memory given to all domains that run.", assignedMemory);
  gauge(
    "cpu_overcommit_ratio",
    "Virtual CPUs of all domains that run, to processors.",
    (host) => assignedCpus(host) / host.stats.cpu.cpus,
  );
  gauge(
    "memory_overcommit_ratio",
    "Memory given to all domains that run, to memory.",
    (host) => assignedMemory(host) / host.stats.memory.totalBytes,
  );
}

function cpuModes(cpu: UpHost["stats"]["cpu"]): Series {
  const modes = {
    user: cpu.userSeconds,
    system: cpu.systemSeconds,
    idle: cpu.idleSeconds,
    iowait: cpu.iowaitSeconds,
    interrupt: cpu.interruptSeconds,
  };
  return Object.entries(modes).flatMap(([mode, seconds]): Series =>
    seconds === undefined ? [] : [[{ mode }, seconds]],
  );
}

function domainCounts({ stats, managed }: UpHost): Series {
  const groups = Map.groupBy(stats.domains, (domain) => `${managed.has(domain.uid)} ${domain.power}`);
  return [...groups].map(([key, domains]) => {
    const [isManaged = "", power = ""] = key.split(" ");
    return [{ managed: isManaged, power }, domains.length];
  });
}

function running({ stats }: UpHost): readonly DomainStats[] {
  return stats.domains.filter(({ run }) => run !== undefined);
}

function assignedCpus(host: UpHost): number {
  return running(host).reduce((sum, { cpus }) => sum + cpus, 0);
}

function assignedMemory(host: UpHost): number {
  return running(host).reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
}

/** From the StoragePools' status, which is kept by who watches the pools. */
function exposePools(
  expose: Expose,
  { collector, sources }: { readonly collector: StatsCollector; readonly sources: StatsSources },
): void {
  const labels = ["namespace", "name", "pool", ...providerLabels];
  const gauge = (name: string, help: string, of: (status: NonNullable<StoragePool["status"]>) => number | undefined) =>
    expose({ name: `vivarium_storage_pool_${name}`, kind: "gauge", help, labels }, () =>
      sources.pools.list().flatMap((pool): Series => {
        const provider = providerOfPlaced(pool, sources.providerObjects.list());
        if (provider === undefined || !collector.isUp(provider)) return [];
        const value = pool.status?.phase === "Ready" ? of(pool.status) : undefined;
        const { namespace = "", name: poolName } = pool.metadata;
        const place = { namespace, name: poolName, pool: poolNameOf(pool), ...providerLabelsOf(provider) };
        return value === undefined ? [] : [[place, value]];
      }),
    );
  gauge("capacity_bytes", "Size of the pool.", ({ capacityBytes }) => capacityBytes);
  gauge("available_bytes", "Space that is left.", ({ availableBytes }) => availableBytes);
  gauge("allocation_bytes", "Space that is taken.", ({ allocationBytes }) => allocationBytes);
  gauge("provisioned_bytes", "Sizes of all volumes, as guests see them.", ({ provisionedBytes }) => provisionedBytes);
  gauge("volumes", "Volumes.", ({ volumes }) => volumes);
  gauge(
    "overcommit_ratio",
    "Sizes of all volumes, as guests see them, to the size of the pool.",
    ({ provisionedBytes, capacityBytes = 0 }) =>
      provisionedBytes === undefined || capacityBytes === 0 ? undefined : provisionedBytes / capacityBytes,
  );
}

function providerLabelsOf({ namespace, name }: ProviderKey): Labels {
  return { provider_namespace: namespace, provider: name };
}

function hostLabelsOf(key: HostKey): Labels {
  return { ...providerLabelsOf(key), host: key.host };
}
