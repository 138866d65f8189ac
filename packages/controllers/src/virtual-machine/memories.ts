// The memory of each VM, from the first look at it until the object is gone, and whose domain an event is about.

import { formatKey } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import type { Clock, ReconcileRequest } from "@vivarium/runtime";
import { newMemory } from "./memory.ts";
import type { VmMemory } from "./memory.ts";
import { domainUidOf } from "./resolve/definition.ts";

interface Entry {
  readonly memory: VmMemory;
  /** UUID of the domain. */
  readonly domainUid: string;
}

export class VmMemories {
  readonly #clock: Clock;
  readonly #onForget: (uid: string) => void;
  /** By `namespace/name`. */
  readonly #entries = new Map<string, Entry>();
  /** By UUID of the domain. */
  readonly #requests = new Map<string, ReconcileRequest>();

  /** `onForget`: called with the uid of a VM that is gone. */
  constructor({ clock, onForget }: { readonly clock: Clock; readonly onForget: (uid: string) => void }) {
    this.#clock = clock;
    this.#onForget = onForget;
  }

  /** Another object of the same name has a memory of its own. */
  of(request: ReconcileRequest, vm: VirtualMachine): VmMemory {
    const uid = vm.metadata.uid ?? "";
    const found = this.#entries.get(formatKey(request));
    if (found?.memory.uid === uid) return found.memory;
    this.forget(request);
    const memory = newMemory(uid, this.#clock.now());
    const domainUid = domainUidOf(vm);
    this.#entries.set(formatKey(request), { memory, domainUid });
    this.#requests.set(domainUid, request);
    return memory;
  }

  forget(request: ReconcileRequest): void {
    const entry = this.#entries.get(formatKey(request));
    if (entry === undefined) return;
    this.#entries.delete(formatKey(request));
    this.#requests.delete(entry.domainUid);
    this.#onForget(entry.memory.uid);
  }

  /** The VM whose domain this is; undefined when it is none of ours. */
  requestOfDomain(uid: string): ReconcileRequest | undefined {
    return this.#requests.get(uid);
  }

  /** Something happened at the hypervisor: what failed there may go well now. */
  stir(request: ReconcileRequest): void {
    const memory = this.#entries.get(formatKey(request))?.memory;
    if (memory !== undefined) memory.isStirred = true;
  }

  /** The hypervisor is back: nothing waits for its time. */
  forgetFailure(request: ReconcileRequest): void {
    const memory = this.#entries.get(formatKey(request))?.memory;
    if (memory !== undefined) memory.failure = undefined;
  }
}
