// What is wrong in a network's declaration, whatever the host: everything at once, in sentences. Pure.

import type { VirtualNetworkSpec } from "@vivarium/api";
import {
  canonicalIp,
  canonicalSubnet,
  doSubnetsOverlap,
  isHostAddress,
  isInRange,
  isInSubnet,
} from "@vivarium/provider";

export type NetworkCreation = NonNullable<VirtualNetworkSpec["create"]>;
type Subnet = NonNullable<NetworkCreation["subnets"]>[number];

/** The IPv4 subnet whose addresses DHCP gives: the one with ranges, else the first. */
export function dhcpSubnetOf({ subnets = [] }: NetworkCreation): string | undefined {
  const ipv4 = subnets.filter(({ address }) => !address.includes(":"));
  return (ipv4.find(hasRanges) ?? ipv4[0])?.address;
}

export function networkSpecProblems(create: NetworkCreation): readonly string[] {
  const { mode, vlan, trunk, subnets = [] } = create;
  const isOvs = mode === "openvswitch";
  return [
    ...(mode === "bridged" || isOvs ? problemsOnHostBridge(create) : problemsOfOwnBridge(create)),
    ...(vlan !== undefined && !isOvs ? ["spec.create.vlan needs mode openvswitch"] : []),
    ...(trunk !== undefined && !isOvs ? ["spec.create.trunk needs mode openvswitch"] : []),
    ...(vlan !== undefined && trunk !== undefined ? ["spec.create has vlan and trunk: at most one may be there"] : []),
    ...subnets.flatMap(problemsOfSubnet),
    ...overlapsAmong(subnets),
    ...problemsOfNames(create),
  ];
}

function problemsOnHostBridge({ mode, bridge, ...create }: NetworkCreation): readonly string[] {
  const { subnets = [], leases = [], dnsHosts = [], domain } = create;
  const fields: readonly (readonly [string, boolean])[] = [
    ["subnets", subnets.length > 0],
    ["leases", leases.length > 0],
    ["dnsHosts", dnsHosts.length > 0],
    ["domain", domain !== undefined],
  ];
  const extra = fields.flatMap(([field, isSet]) => (isSet ? [`spec.create.${field}`] : []));
  return [
    ...(bridge === undefined ? [`spec.create.bridge is absent: mode ${mode} needs the name of the host's bridge`] : []),
    ...(extra.length === 0
      ? []
      : [`${extra.join(", ")} cannot be with mode ${mode}: addresses come from what is behind the bridge`]),
  ];
}

function problemsOfOwnBridge({ mode, subnets = [], ...create }: NetworkCreation): readonly string[] {
  const { leases = [], dnsHosts = [] } = create;
  if (subnets.length > 0) {
    const many = (family: "IPv4" | "IPv6"): boolean =>
      subnets.filter(({ address }) => address.includes(":") === (family === "IPv6")).filter(hasRanges).length > 1;
    return (["IPv4", "IPv6"] as const)
      .filter(many)
      .map((family) => `spec.create.subnets: more than one ${family} subnet has dhcpRanges`);
  }
  return [
    ...(mode === "isolated" ? [] : [`spec.create.subnets is absent: mode ${mode} needs one`]),
    ...(leases.length + dnsHosts.length > 0
      ? ["spec.create has leases or dnsHosts, and no subnet to serve them in"]
      : []),
  ];
}

function problemsOfSubnet({ address, dhcpRanges = [] }: Subnet): readonly string[] {
  const where = "spec.create.subnets";
  const subnet = canonicalSubnet(address);
  if (subnet === undefined) return [`${where}: "${address}" is no address with the length of its prefix`];
  if (!isHostAddress(subnet)) {
    return [
      `${where}: "${address}" is the subnet's own address, expected the host's there, such as the first after it`,
    ];
  }
  return dhcpRanges.flatMap(({ start, end }) => {
    const name = `${where}: range ${start} to ${end}`;
    if (!isInSubnet(start, subnet) || !isInSubnet(end, subnet)) return [`${name} is not in ${address}`];
    return isInRange(end, { start, end }) ? [] : [`${name} ends before it starts`];
  });
}

function overlapsAmong(subnets: readonly Subnet[]): readonly string[] {
  return subnets.flatMap((one, index) =>
    subnets
      .slice(index + 1)
      .filter((other) => doSubnetsOverlap(one.address, other.address))
      .map((other) => `spec.create.subnets: ${one.address} and ${other.address} overlap`),
  );
}

/** A name stands for one address: libvirt changes names of a running network by either, and refuses what fits twice. */
function problemsOfNames({ dnsHosts = [] }: NetworkCreation): readonly string[] {
  const addresses = new Map<string, string>();
  return dnsHosts.flatMap(({ ip, names }) => {
    const address = canonicalIp(ip);
    if (address === undefined) return [`spec.create.dnsHosts: "${ip}" is no address`];
    return names.flatMap((name) => {
      const known = addresses.get(name.toLowerCase()) ?? address;
      addresses.set(name.toLowerCase(), known);
      return known === address ? [] : [`spec.create.dnsHosts: "${name}" is given to ${known} and to ${address}`];
    });
  });
}

function hasRanges({ dhcpRanges = [] }: Subnet): boolean {
  return dhcpRanges.length > 0;
}
