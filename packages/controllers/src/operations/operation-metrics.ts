// Long work in figures, for alert rules.

import { Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

export interface OperationMetrics {
  ended(work: {
    readonly kind: string;
    readonly verb: string;
    readonly outcome: string;
    readonly seconds: number;
  }): void;
}

export interface RunningWork {
  readonly kind: string;
  readonly verb: string;
  readonly isOverdue: boolean;
}

export function operationMetrics(registry: Registry, running: () => Iterable<RunningWork>): OperationMetrics {
  const registers = [registry];
  const seconds = new Histogram({
    name: "vivarium_operation_duration_seconds",
    help: "Duration of long work on objects, by kind, verb and outcome.",
    labelNames: ["kind", "verb", "outcome"],
    buckets: [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
    registers,
  });
  const count = (name: string, help: string, isCounted: (work: RunningWork) => boolean): void => {
    // Kept by the registry, which asks it when somebody asks the registry.
    void new Gauge({
      name,
      help,
      labelNames: ["kind", "verb"],
      registers,
      collect() {
        this.reset();
        for (const work of running()) if (isCounted(work)) this.inc({ kind: work.kind, verb: work.verb });
      },
    });
  };
  count("vivarium_operations_running", "Long work that is going on.", () => true);
  count("vivarium_operations_overdue", "Of that, what takes much longer than usual.", (work) => work.isOverdue);
  return { ended: ({ seconds: value, ...labels }) => seconds.observe(labels, value) };
}
