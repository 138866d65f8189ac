// The VirtualNetwork that an interface of a machine is plugged into: which one, and under which name it is on the hypervisor. Pure.

import { findCondition } from "@vivarium/api";
import type { ObjectKey, Provider, VirtualMachine, VirtualNetwork, VMNetworkAttachment } from "@vivarium/api";
import type { NicDefinition } from "@vivarium/provider";
import type { AddProblem } from "./disks.ts";
import type { Resolved } from "../plan/input.ts";
import { providerOfPlaced } from "../../placed/placed-object.ts";
import { networkNameOf } from "../../virtual-network-place.ts";

type Key = Required<ObjectKey>;
type DeclaredNic = NonNullable<VirtualMachine["spec"]["networks"]>[number];

/** Named by the machine itself, or by the VMNetworkAttachment between; undefined when neither names one. */
export function virtualNetworkOf(
  vm: VirtualMachine,
  nic: DeclaredNic,
  attachment: (key: Key) => VMNetworkAttachment | undefined,
): Key | undefined {
  const namespace = vm.metadata.namespace ?? "default";
  if (nic.virtualNetworkRef !== undefined) return { namespace, ...nic.virtualNetworkRef };
  if (nic.networkRef === undefined) return undefined;
  const between = attachment({ namespace, ...nic.networkRef });
  const ref = between?.spec.network.virtualNetworkRef;
  return ref && { namespace: between?.metadata.namespace ?? namespace, ...ref };
}

export function resolveVirtualNetwork(
  key: Key,
  from: {
    readonly network: VirtualNetwork | undefined;
    readonly provider: Resolved<Provider>;
    readonly providers: readonly Provider[];
    readonly add: AddProblem;
  },
): NicDefinition["source"] | undefined {
  const { network, provider, add } = from;
  const name = `VirtualNetwork "${key.namespace}/${key.name}"`;
  if (network === undefined) {
    add("NetworkNotFound", `${name} does not exist`);
    return undefined;
  }
  const ready = findCondition(network.status?.conditions, "Ready");
  if (ready?.status !== "True") {
    add("NetworkNotReady", `${name} is not ready: ${ready?.message ?? "it has not been looked at yet"}`);
    return undefined;
  }
  const on = providerOfPlaced(network, from.providers);
  const { metadata } = provider.ok ? provider.value : {};
  if (metadata !== undefined && (on?.name !== metadata.name || on.namespace !== metadata.namespace)) {
    add("InvalidSpec", `${name} is on Provider "${on?.namespace ?? ""}/${on?.name ?? ""}", and this VM is not`);
    return undefined;
  }
  return { network: networkNameOf(network) };
}
