// Counters of one VM that go on where the hypervisor's begin anew: at each start of the guest, and when a device comes back.

import type { DomainStats } from "@vivarium/provider";
import { partsOf, vmMetrics } from "./vm-metrics.ts";
import type { Figure, VmMetric } from "./vm-metrics.ts";

interface Count {
  readonly part: string;
  /** Of earlier runs. */
  base: number;
  /** As the hypervisor told last. */
  raw: number;
}

const counters = vmMetrics.filter(({ kind }) => kind === "counter");

export class VmCounters {
  /** Of each metric the parts there are: few, so that a list costs less than a map, of which thousands of machines would have dozens each. */
  readonly #counts = new Map<VmMetric, readonly Count[]>();
  #run: string | undefined;

  /** `host`: where that was told. Each host counts its runs, and begins at 0 with a VM that was moved to it. */
  take(vm: DomainStats, host: string): void {
    const run = vm.run === undefined ? undefined : `${host} ${vm.run}`;
    const isNewRun = run !== undefined && this.#run !== undefined && run !== this.#run;
    for (const metric of counters) {
      let known = this.#counts.get(metric) ?? [];
      if (isNewRun) for (const count of known) carryOver(count, 0);
      for (const { part, value } of metric.figures(vm)) {
        let count = known.find((each) => each.part === part);
        if (count === undefined) {
          count = { part, base: 0, raw: 0 };
          // What grows by `push` has room for seventeen.
          known = [...known, count];
        }
        if (value < count.raw) carryOver(count, value);
        else count.raw = value;
      }
      // While it is off nothing is there, and nothing is lost.
      const counts = vm.run === undefined ? known : ofParts(known, partsOf(vm, metric.partLabel));
      if (counts.length > 0) this.#counts.set(metric, counts);
      else this.#counts.delete(metric);
    }
    this.#run = run ?? this.#run;
  }

  figures(metric: VmMetric): readonly Figure[] {
    return (this.#counts.get(metric) ?? []).map(({ part, base, raw }) => ({ part, value: base + raw }));
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

function ofParts(counts: readonly Count[], parts: readonly string[]): readonly Count[] {
  return counts.every(({ part }) => parts.includes(part)) ? counts : counts.filter(({ part }) => parts.includes(part));
}
