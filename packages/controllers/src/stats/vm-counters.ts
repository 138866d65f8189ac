// Counters of one VM that go on where the hypervisor's begin anew: at each start of the guest, and when a device comes back.

import type { DomainStats } from "@vivarium/provider";
import { partsOf, vmMetrics } from "./vm-metrics.ts";
import type { Figure, VmMetric } from "./vm-metrics.ts";

interface Count {
  /** Of earlier runs. */
  base: number;
  /** As the hypervisor told last. */
  raw: number;
}

const counters = vmMetrics.filter(({ kind }) => kind === "counter");

export class VmCounters {
  /** By metric, then by part. */
  readonly #counts = new Map<VmMetric, Map<string, Count>>(counters.map((metric) => [metric, new Map()]));
  #run: string | undefined;

  /** `host`: where that was told. Each host counts its runs, and begins at 0 with a VM that was moved to it. */
  take(vm: DomainStats, host: string): void {
    const run = vm.run === undefined ? undefined : `${host} ${vm.run}`;
    const isNewRun = run !== undefined && this.#run !== undefined && run !== this.#run;
    for (const [metric, counts] of this.#counts) {
      if (isNewRun) for (const count of counts.values()) carryOver(count, 0);
      for (const { part, value } of metric.figures(vm)) {
        const count = counts.get(part) ?? { base: 0, raw: 0 };
        counts.set(part, count);
        if (value < count.raw) carryOver(count, value);
        else count.raw = value;
      }
      // While it is off nothing is there, and nothing is lost.
      if (vm.run !== undefined) forgetOthers(counts, partsOf(vm, metric.partLabel));
    }
    this.#run = run ?? this.#run;
  }

  figures(metric: VmMetric): readonly Figure[] {
    return [...(this.#counts.get(metric) ?? [])].map(([part, { base, raw }]) => ({ part, value: base + raw }));
  }

  /** Of all parts together. */
  total(metric: VmMetric): number {
    return this.figures(metric).reduce((sum, { value }) => sum + value, 0);
  }
}

function carryOver(count: Count, raw: number): void {
  count.base += count.raw;
  count.raw = raw;
}

function forgetOthers(counts: Map<string, Count>, parts: readonly string[]): void {
  for (const part of counts.keys()) if (!parts.includes(part)) counts.delete(part);
}
