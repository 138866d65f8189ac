// Figures of hosts and VMs, joined over a manager: who asks for them, and where they are told.

import { formatTime, Provider, StoragePool, VirtualMachine, virtualMachineMetricsType } from "@vivarium/api";
import type { VirtualMachineMetrics } from "@vivarium/api";
import { realClock } from "@vivarium/runtime";
import type { Clock, Manager } from "@vivarium/runtime";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { ProviderRegistry } from "../provider-registry.ts";
import { exposeBuildInfo } from "./build-info.ts";
import { exposeStats } from "./expose-stats.ts";
import { exposeIpDiscovery } from "./ip-discovery.ts";
import { StatsCollector } from "./stats-collector.ts";
import { shownSamples } from "./vm-sample.ts";

export interface StatsOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly logger: Logger;
  /** Where they are told. */
  readonly metrics: Registry;
  readonly clock?: Clock;
}

export interface Stats {
  /** Beside the manager, until the signal aborts. */
  run(options: { readonly signal: AbortSignal }): Promise<void>;
  /** The newest samples of a VM; undefined when its host told nothing of it yet. */
  metricsOf(vm: VirtualMachine, options?: { readonly samples?: number }): VirtualMachineMetrics | undefined;
}

export function createStats({ manager, providers, logger, metrics, clock = realClock }: StatsOptions): Stats {
  const sources = {
    providers,
    providerObjects: manager.cache(Provider),
    machines: manager.cache(VirtualMachine),
    pools: manager.cache(StoragePool),
  };
  const collector = new StatsCollector({ ...sources, logger, clock });
  exposeStats(metrics, { collector, sources });
  exposeIpDiscovery(manager, { registry: metrics, clock });
  exposeBuildInfo(metrics);
  return {
    run: (options) => collector.run(options),
    metricsOf: (vm, options) => metricsOf(collector, vm, options),
  };
}

function metricsOf(
  collector: StatsCollector,
  { metadata }: VirtualMachine,
  { samples = Number.POSITIVE_INFINITY }: { readonly samples?: number } = {},
): VirtualMachineMetrics | undefined {
  const record = collector.vm(metadata.uid ?? "");
  if (record === undefined) return undefined;
  const { uid, namespace, name, host: key } = record;
  const host = collector.hostOf(key);
  return {
    ...virtualMachineMetricsType,
    metadata: { namespace, name, uid },
    provider: `${key.namespace}/${key.name}`,
    host: key.host,
    intervalSeconds: collector.intervalMs / 1000,
    ...(host?.kind === "down"
      ? { stale: { since: formatTime(new Date(host.sinceMs)), message: host.error.message } }
      : {}),
    samples: shownSamples(record.history.last(), samples),
  };
}
