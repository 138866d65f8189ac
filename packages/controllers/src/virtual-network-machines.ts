// Which interfaces of which machines are plugged into a VirtualNetwork. Pure.

import type { ObjectKey, VirtualMachine, VirtualNetwork, VMNetworkAttachment } from "@vivarium/api";
import { macsOf } from "./virtual-machine/resolve/macs.ts";
import { virtualNetworkOf } from "./virtual-machine/resolve/virtual-network.ts";

type Key = Required<ObjectKey>;

/** One interface that is plugged in, as it is declared. */
export interface PluggedNic {
  readonly vm: VirtualMachine;
  readonly interface: string;
  /** Lower case, colons. */
  readonly mac: string;
  /** Static, of this interface: its own, or that of the VMNetworkAttachment between. */
  readonly ip?: string;
}

export function pluggedInto(
  network: VirtualNetwork,
  machines: readonly VirtualMachine[],
  attachment: (key: Key) => VMNetworkAttachment | undefined,
): readonly PluggedNic[] {
  return machines.flatMap((vm) => {
    const macs = macsOf(vm);
    return (vm.spec.networks ?? []).flatMap((nic, index) => {
      const key = virtualNetworkOf(vm, nic, attachment);
      if (key?.name !== network.metadata.name || key.namespace !== network.metadata.namespace) return [];
      const ip = nic.ipAddress ?? staticAddressOf(vm, nic, attachment);
      return [{ vm, interface: nic.name, mac: macs[index] ?? "", ...(ip === undefined ? {} : { ip }) }];
    });
  });
}

function staticAddressOf(
  vm: VirtualMachine,
  { networkRef }: NonNullable<VirtualMachine["spec"]["networks"]>[number],
  attachment: (key: Key) => VMNetworkAttachment | undefined,
): string | undefined {
  if (networkRef === undefined) return undefined;
  const { type, staticConfig } =
    attachment({ namespace: vm.metadata.namespace ?? "default", ...networkRef })?.spec.ipAllocation ?? {};
  return type === "Static" ? staticConfig?.address?.split("/")[0] : undefined;
}

/** As `status.usedBy` and messages have it. */
export function machineName(vm: VirtualMachine, network: VirtualNetwork): string {
  const { namespace = "default", name } = vm.metadata;
  return namespace === network.metadata.namespace ? `VirtualMachine/${name}` : `VirtualMachine/${namespace}/${name}`;
}
