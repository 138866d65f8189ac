// What the Host controller knows of each host, handed to the Provider controller: more, and sooner, than the statuses of Hosts say.

import { formatKey } from "@vivarium/api";
import type { ReconcileRequest } from "@vivarium/runtime";
import type { HostHealth } from "./host-health.ts";
import type { Verdict } from "./verdict.ts";

export interface HostReport {
  readonly verdict: Verdict;
  readonly health: HostHealth;
}

export class HostReports {
  readonly #reports = new Map<string, HostReport>();
  readonly #listeners = new Set<(host: ReconcileRequest) => void>();

  /** Undefined until the host was tried. */
  get(host: ReconcileRequest): HostReport | undefined {
    return this.#reports.get(formatKey(host));
  }

  set(host: ReconcileRequest, report: HostReport): void {
    this.#reports.set(formatKey(host), report);
    for (const listener of this.#listeners) listener(host);
  }

  delete(host: ReconcileRequest): void {
    this.#reports.delete(formatKey(host));
  }

  /** Told of each report. */
  subscribe(listener: (host: ReconcileRequest) => void, { signal }: { readonly signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }
}
