// VMs that no host could take, or whose host is full: who is to be looked at again when something leaves a host, or arrives.

import type { VirtualMachine } from "@vivarium/api";
import type { ReconcileRequest } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import type { LedgerChange } from "./ledger.ts";

interface Entry {
  readonly provider: string;
  readonly request: ReconcileRequest;
  /** Whom it wants to be near may come. */
  readonly hasPolicy: boolean;
}

export class WaitingList {
  /** By uid. */
  readonly #entries = new Map<string, Entry>();

  /** `provider`: `namespace/name`. */
  add(vm: VirtualMachine, provider: string): void {
    const hasPolicy = vm.spec.placementRef !== undefined;
    this.#entries.set(vm.metadata.uid ?? "", { provider, request: requestOf(vm), hasPolicy });
  }

  delete(uid: string): void {
    this.#entries.delete(uid);
  }

  concernedBy({ kind, provider }: LedgerChange): readonly ReconcileRequest[] {
    return [...this.#entries.values()].flatMap((entry) =>
      entry.provider === provider && (kind === "left" || entry.hasPolicy) ? [entry.request] : [],
    );
  }
}
