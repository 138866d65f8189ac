// MAC addresses of a VM's interfaces: the declared one, else one that was chosen when the interface was first made, so that nobody else has
// it, and that is kept in the record for the VM's life. Pure.

import { createHash } from "node:crypto";
import type { VirtualMachine } from "@vivarium/api";
import type { VmRecord } from "../record.ts";
import { readRecord } from "../status/stored-record.ts";

type DeclaredNic = NonNullable<VirtualMachine["spec"]["networks"]>[number];

/** What the spec says, or the one interface on the default network that it means. */
export function declaredNics(vm: VirtualMachine): readonly DeclaredNic[] {
  return vm.spec.networks ?? [{ name: "default" }];
}

/** Of the VM's interfaces in their order. `kept`: those chosen for it, where they may not be written yet. */
export function macsOf(vm: VirtualMachine, kept: VmRecord["macs"] = readRecord(vm.status).macs): readonly string[] {
  return declaredNics(vm).map(
    (nic) => declaredMac(nic) ?? kept?.[nic.name] ?? derivedMac({ uid: vm.metadata.uid ?? "", name: nic.name }, 0),
  );
}

/** Whether an interface has no MAC address yet, or another one than was declared since. */
export function isMacDue(vm: VirtualMachine, { macs = {} }: VmRecord): boolean {
  return declaredNics(vm).some((nic) => {
    const kept = macs[nic.name];
    return kept === undefined || kept !== (declaredMac(nic) ?? kept);
  });
}

export type Allocation =
  | { readonly ok: true; readonly macs: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly why: string };

/** `holderOf`: who has the address already, for people. Those that the VM has are kept. */
export function allocateMacs(
  vm: VirtualMachine,
  { record, holderOf }: { readonly record: VmRecord; readonly holderOf: (mac: string) => string | undefined },
): Allocation {
  const macs: Record<string, string> = { ...record.macs };
  for (const nic of declaredNics(vm)) {
    const kept = macs[nic.name];
    const declared = declaredMac(nic);
    if (kept !== undefined && kept === (declared ?? kept)) continue;
    if (declared !== undefined) {
      const holder = holderOf(declared);
      if (holder !== undefined) {
        return { ok: false, why: `MAC address ${declared} of interface "${nic.name}" is in use by ${holder}` };
      }
      macs[nic.name] = declared;
      continue;
    }
    const own = new Set(Object.values(macs));
    const isTaken = (mac: string): boolean => own.has(mac) || holderOf(mac) !== undefined;
    let attempt = 0;
    const candidate = (): string => derivedMac({ uid: vm.metadata.uid ?? "", name: nic.name }, attempt);
    while (isTaken(candidate())) attempt += 1;
    macs[nic.name] = candidate();
  }
  return { ok: true, macs };
}

/** What was given to a VM. */
export function keptMacs(vm: VirtualMachine): readonly string[] {
  return Object.values(readRecord(vm.status).macs ?? {});
}

function declaredMac({ macAddress }: DeclaredNic): string | undefined {
  return macAddress?.toLowerCase().replaceAll("-", ":");
}

/** In QEMU's range; the same for each try, so that a try that was cut short is repeated and not doubled. */
export function derivedMac(nic: { readonly uid: string; readonly name: string }, attempt: number): string {
  const digest = createHash("sha256").update(`${nic.uid}/${nic.name}/${attempt}`).digest();
  return ["52", "54", "00", ...[0, 1, 2].map((at) => (digest[at] ?? 0).toString(16).padStart(2, "0"))].join(":");
}
