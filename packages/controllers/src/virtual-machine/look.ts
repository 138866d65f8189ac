// What one reconcile of a VM knows, from its first look until it settles.

import type { Provider, VirtualMachine } from "@vivarium/api";
import type { Provider as OpenProvider } from "@vivarium/provider";
import type { ReconcileContext } from "@vivarium/runtime";
import type { ProviderKey } from "../provider-registry.ts";
import type { ResolvedVm } from "./resolve/definition.ts";
import type { VmMemory } from "./memory.ts";
import type { BuildPlan, Resolved, Seen } from "./plan/input.ts";
import type { VmRecord } from "./record.ts";
import { readRecord } from "./status/stored-record.ts";

export class Look {
  vm: VirtualMachine;
  readonly memory: VmMemory;
  /** Aborted when the manager stops. */
  readonly signal: AbortSignal;
  readonly log: ReconcileContext["log"];
  /** Ahead of the status where `mustWrite`. */
  record: VmRecord;
  mustWrite = false;
  seen: Seen | undefined;
  isStale = false;
  provider: (Resolved<Provider> & { readonly made?: Provider }) | undefined;
  providerKey: ProviderKey | undefined;
  /** Of the Provider; undefined while it is to be chosen. */
  host: string | undefined;
  open: OpenProvider | undefined;
  resolved: Resolved<ResolvedVm> | undefined;
  done = new Set<string>();
  #build: Resolved<BuildPlan> | undefined;

  constructor(vm: VirtualMachine, memory: VmMemory, { signal, log }: ReconcileContext) {
    this.vm = vm;
    this.memory = memory;
    this.signal = signal;
    this.log = log;
    this.record = readRecord(vm.status);
  }

  /** Another spec starts the plan anew; what was seen and recorded stays. */
  turnTo(vm: VirtualMachine): void {
    if (vm.metadata.generation !== this.vm.metadata.generation) {
      this.done = new Set();
      this.#build = undefined;
    }
    this.vm = vm;
  }

  remember(record: VmRecord): void {
    this.record = record;
    this.mustWrite = true;
  }

  /** Checking user-data and writing an ISO image is done once a look, unless something was missing. */
  build(make: () => Resolved<BuildPlan>): Resolved<BuildPlan> {
    if (this.#build?.ok !== true) this.#build = make();
    return this.#build;
  }
}
