// What the controller of VMPlacementPolicies found of each VM, handed to the VirtualMachine controller, which alone writes the VM's status.

import { formatKey } from "@vivarium/api";
import type { ReconcileRequest } from "@vivarium/runtime";
import type { Verdict } from "../verdict.ts";

export class PlacementFindings {
  readonly #verdicts = new Map<string, Verdict>();
  readonly #listeners = new Set<(vm: ReconcileRequest) => void>();

  /** Undefined until the VM was looked at, and where it follows no policy. */
  get(vm: ReconcileRequest): Verdict | undefined {
    return this.#verdicts.get(formatKey(vm));
  }

  set(vm: ReconcileRequest, verdict: Verdict): void {
    const old = this.get(vm);
    if (old?.status === verdict.status && old.message === verdict.message) return;
    this.#verdicts.set(formatKey(vm), verdict);
    for (const listener of this.#listeners) listener(vm);
  }

  delete(vm: ReconcileRequest): void {
    this.#verdicts.delete(formatKey(vm));
  }

  /** Told of each verdict that is another than before. */
  subscribe(listener: (vm: ReconcileRequest) => void, { signal }: { readonly signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }
}
