// Whether machines can plug into a network as it is declared. Pure.

import type { VMNetworkAttachmentSpec } from "@vivarium/api";
import { checkFirewall, checkQos } from "./vm-network-rules.ts";

export interface NetworkVerdict {
  readonly status: "True" | "False";
  readonly reason: "Ready" | "InvalidSpec" | "Unsupported";
  readonly message: string;
}

export function networkVerdict(spec: VMNetworkAttachmentSpec): NetworkVerdict {
  const unsupported = unsupportedNetworkFields(spec);
  if (unsupported.length > 0) {
    const message = `This build cannot honour ${unsupported.join(", ")}; no machine is plugged in until they are removed`;
    return { status: "False", reason: "Unsupported", message };
  }
  const problem = problemOf(spec);
  if (problem !== undefined) return { status: "False", reason: "InvalidSpec", message: problem };
  return { status: "True", reason: "Ready", message: `Machines are plugged into ${targetOf(spec)}` };
}

/** Fields whose effect a machine would lack without anybody telling: refused before anything is touched. */
export function unsupportedNetworkFields(spec: VMNetworkAttachmentSpec): readonly string[] {
  const { network, ipAllocation, security, qos } = spec;
  const { libvirt } = network;
  const isolation = security?.isolation;
  const fields: readonly (readonly [string, boolean])[] = [
    ["spec.network.vsphere", network.vsphere !== undefined && libvirt === undefined],
    ["spec.network.proxmox", network.proxmox !== undefined && libvirt === undefined],
    ["spec.network.libvirt.bridge.stp", libvirt?.bridge?.stp === true],
    ["spec.network.libvirt.bridge.delay", (libvirt?.bridge?.delay ?? 0) > 0],
    ["spec.network.libvirt.driver", Object.keys(libvirt?.driver ?? {}).length > 0],
    ["spec.ipAllocation.poolConfig", ipAllocation?.type === "Pool" || ipAllocation?.poolConfig !== undefined],
    ["spec.ipAllocation.dhcpConfig", Object.keys(ipAllocation?.dhcpConfig ?? {}).length > 0],
    ["spec.ipAllocation.dnsConfig.options", Object.keys(ipAllocation?.dnsConfig?.options ?? {}).length > 0],
    ["spec.security.isolation.mode custom", isolation?.mode === "custom"],
    ["spec.security.isolation.allowedNetworks", (isolation?.allowedNetworks ?? []).length > 0],
    ["spec.security.isolation.deniedNetworks", (isolation?.deniedNetworks ?? []).length > 0],
    ["spec.security.encryption", security?.encryption?.enabled === true],
    ["spec.qos.priority", qos?.priority !== undefined],
    ["spec.qos.dscp", qos?.dscp !== undefined],
  ];
  return fields.flatMap(([field, isSet]) => (isSet ? [field] : []));
}

/** What is wrong with it, so that no machine can be plugged in. */
export function problemOf(spec: VMNetworkAttachmentSpec): string | undefined {
  const { network, ipAllocation } = spec;
  const { libvirt } = network;
  const bridge = libvirt?.bridge?.name;
  if (network.virtualNetworkRef !== undefined && (bridge ?? libvirt?.networkName) !== undefined) {
    return "spec.network has virtualNetworkRef and a libvirt network or bridge: at most one of them may be there";
  }
  // As the kernel takes them: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/core/dev.c (dev_valid_name).
  if (bridge !== undefined && (!/^[^\s/:]{1,15}$/.test(bridge) || bridge === "." || bridge === "..")) {
    return `spec.network.libvirt.bridge.name is "${bridge}", expected the name of a bridge such as br0`;
  }
  const name = libvirt?.networkName;
  if (name !== undefined && (name.trim() === "" || name.includes("/"))) {
    return `spec.network.libvirt.networkName is "${name}", expected the name of a libvirt network such as default`;
  }
  const target = network.virtualNetworkRef ?? bridge ?? name;
  if (target === undefined && (network.type ?? "bridged") !== "nat") {
    return `A network of type ${network.type ?? "bridged"} needs spec.network.libvirt.networkName or spec.network.libvirt.bridge`;
  }
  if (ipAllocation?.type === "Static" && ipAllocation.staticConfig === undefined) {
    return "spec.ipAllocation.type Static needs spec.ipAllocation.staticConfig";
  }
  const complaints: string[] = [];
  checkFirewall(spec, (message) => complaints.push(message));
  checkQos(spec, (message) => complaints.push(message));
  return complaints.length === 0 ? undefined : complaints.join("; ");
}

function targetOf({ network }: VMNetworkAttachmentSpec): string {
  const { libvirt, virtualNetworkRef } = network;
  if (virtualNetworkRef !== undefined) return `VirtualNetwork "${virtualNetworkRef.name}"`;
  if (libvirt?.bridge !== undefined) return `bridge "${libvirt.bridge.name}"`;
  return libvirt?.networkName === undefined
    ? "the provider's default network"
    : `libvirt network "${libvirt.networkName}"`;
}
