// Who has which MAC address: the machines by what they were given, domains on the host, and what this process has just given
// and not yet written.

import type { VirtualMachine } from "@vivarium/api";
import type { MacUse } from "@vivarium/provider";
import { allocateMacs, keptMacs } from "../resolve/macs.ts";
import type { Allocation } from "../resolve/macs.ts";
import type { VmRecord } from "../record.ts";

export class MacLedger {
  /** uid of the VM, by MAC address. */
  readonly #claims = new Map<string, string>();

  /** Claims what it gives. `machines` and `onHost` may hold the VM itself. */
  give(
    vm: VirtualMachine,
    from: {
      readonly record: VmRecord;
      readonly machines: readonly VirtualMachine[];
      readonly onHost: readonly MacUse[];
    },
  ): Allocation {
    const uid = vm.metadata.uid ?? "";
    const holders = new Map<string, string>();
    for (const use of from.onHost) {
      if (use.uid !== uid) holders.set(use.mac, `domain "${use.domain}" on the hypervisor`);
    }
    for (const other of from.machines) {
      if (other.metadata.uid === uid) continue;
      const name = `VirtualMachine "${other.metadata.namespace ?? ""}/${other.metadata.name}"`;
      for (const mac of keptMacs(other)) holders.set(mac, name);
    }
    const holderOf = (mac: string): string | undefined => {
      const claim = this.#claims.get(mac);
      return holders.get(mac) ?? (claim === undefined || claim === uid ? undefined : "another VirtualMachine");
    };
    const given = allocateMacs(vm, { record: from.record, holderOf });
    if (!given.ok) return given;
    this.forget(uid);
    for (const mac of Object.values(given.macs)) this.#claims.set(mac, uid);
    return given;
  }

  /** The VM is gone. */
  forget(uid: string): void {
    for (const [mac, holder] of this.#claims) if (holder === uid) this.#claims.delete(mac);
  }
}
