// What the manager counts, under the names that dashboards for this API already know.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

export type ReconcileOutcome = "success" | "requeue" | "conflict" | "error" | "terminal";

export interface ManagerMetrics {
  /** A reconcile that failed counts as an error too. */
  reconciled(kind: string, outcome: ReconcileOutcome, seconds: number): void;
  watchQueue(kind: string, depth: () => number): void;
}

/** One counter for all who count errors in a registry. */
export function errorsTotal(registry: Registry): Counter {
  const name = "virtrigaud_errors_total";
  const found = registry.getSingleMetric(name);
  if (found instanceof Counter) return found;
  return new Counter({
    name,
    help: "What failed, by reason. `provider`: an answer of a hypervisor; `manager`: a reconcile.",
    labelNames: ["reason", "component"],
    registers: [registry],
  });
}

export function managerMetrics(registry: Registry): ManagerMetrics {
  const registers = [registry];
  const total = new Counter({
    name: "virtrigaud_manager_reconcile_total",
    help: "Reconciles by kind and outcome.",
    labelNames: ["kind", "outcome"],
    registers,
  });
  const duration = new Histogram({
    name: "virtrigaud_manager_reconcile_duration_seconds",
    help: "Duration of reconciles by kind.",
    labelNames: ["kind"],
    buckets: Array.from({ length: 16 }, (_, power) => 0.001 * 2 ** power),
    registers,
  });
  const errors = errorsTotal(registry);
  const depths = new Map<string, () => number>();
  // Kept by the registry, which asks it when somebody asks the registry.
  void new Gauge({
    name: "virtrigaud_queue_depth",
    help: "Objects that are being looked at or wait for their turn, by kind.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const [kind, depth] of depths) this.set({ kind }, depth());
    },
  });
  return {
    reconciled(kind, outcome, seconds) {
      total.inc({ kind, outcome });
      duration.observe({ kind }, seconds);
      if (outcome === "error" || outcome === "terminal") {
        errors.inc({ reason: `reconcile-${kind.toLowerCase()}`, component: "manager" });
      }
    },
    watchQueue: (kind, depth) => void depths.set(kind, depth),
  };
}
