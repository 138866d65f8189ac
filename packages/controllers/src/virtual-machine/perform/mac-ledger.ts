// Who has which MAC address: the machines by what they were given, domains on the host, and what this process has just given
// and not yet written.

import type { VirtualMachine } from "@vivarium/api";
import type { MacUse } from "@vivarium/provider";
import { allocateMacs } from "../resolve/macs.ts";
import type { Allocation } from "../resolve/macs.ts";
import type { VmRecord } from "../record.ts";

export class MacLedger {
  /** uid of the VM, by MAC address, and the other way round. */
  readonly #claims = new Map<string, string>();
  readonly #claimed = new Map<string, readonly string[]>();

  /** Claims what it gives. `machinesWith` and `onHost` may tell of the VM itself. */
  give(
    vm: VirtualMachine,
    from: {
      readonly record: VmRecord;
      /** Those that were given this address. */
      readonly machinesWith: (mac: string) => readonly VirtualMachine[];
      readonly onHost: (mac: string) => readonly MacUse[];
    },
  ): Allocation {
    const uid = vm.metadata.uid ?? "";
    const holderOf = (mac: string): string | undefined => {
      const other = from.machinesWith(mac).find(({ metadata }) => metadata.uid !== uid);
      if (other !== undefined) return `VirtualMachine "${other.metadata.namespace ?? ""}/${other.metadata.name}"`;
      const use = from.onHost(mac).find((each) => each.uid !== uid);
      if (use !== undefined) return `domain "${use.domain}" on the hypervisor`;
      const claim = this.#claims.get(mac);
      return claim === undefined || claim === uid ? undefined : "another VirtualMachine";
    };
    const given = allocateMacs(vm, { record: from.record, holderOf });
    if (!given.ok) return given;
    this.forget(uid);
    const macs = Object.values(given.macs);
    for (const mac of macs) this.#claims.set(mac, uid);
    this.#claimed.set(uid, macs);
    return given;
  }

  /** The VM is gone. */
  forget(uid: string): void {
    for (const mac of this.#claimed.get(uid) ?? []) if (this.#claims.get(mac) === uid) this.#claims.delete(mac);
    this.#claimed.delete(uid);
  }
}
