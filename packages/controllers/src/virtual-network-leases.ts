// The addresses that a network keeps: those that its spec lists, and those that machines declare for their interfaces in it. One that cannot be
// kept is told and left out; it takes nothing from the others. Pure.

import type { VirtualNetwork } from "@vivarium/api";
import { isInSubnet } from "@vivarium/provider";
import type { StaticLease } from "@vivarium/provider";
import { machineName } from "./virtual-network-machines.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";

type Declared = NonNullable<NonNullable<VirtualNetwork["spec"]["create"]>["leases"]>[number];

export interface KeptLeases {
  readonly leases: readonly StaticLease[];
  /** Sentences: what is not kept, and why. */
  readonly problems: readonly string[];
}

const hostLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** `subnet`: the one that has DHCP; undefined where none has. */
export function keptLeases(
  network: VirtualNetwork,
  { subnet, plugged }: { readonly subnet: string | undefined; readonly plugged: readonly PluggedNic[] },
): KeptLeases {
  const leases: StaticLease[] = [];
  const problems: string[] = [];
  const keep = (lease: StaticLease, whose: string): void => {
    if (leases.some((each) => each.mac === lease.mac && each.ip === lease.ip)) return;
    const problem = problemOf(lease, { subnet, leases });
    if (problem === undefined) leases.push(lease);
    else problems.push(`${lease.ip} is not kept for ${whose}: ${problem}`);
  };
  for (const declared of network.spec.create?.leases ?? []) {
    const found = macOf(declared, network, plugged);
    if ("problem" in found) {
      problems.push(`${declared.ip} is not kept: ${found.problem}`);
      continue;
    }
    const { ip, hostname } = declared;
    const name = hostname ?? found.hostname;
    keep({ mac: found.mac, ip, ...(name === undefined ? {} : { hostname: name }) }, found.whose);
  }
  for (const nic of plugged) {
    if (nic.ip === undefined) continue;
    const { name } = nic.vm.metadata;
    // Machines of two namespaces may have one name: the second is known by its address alone.
    const isFree = hostLabel.test(name) && !leases.some(({ hostname }) => hostname?.toLowerCase() === name);
    keep({ mac: nic.mac, ip: nic.ip, ...(isFree ? { hostname: name } : {}) }, machineName(nic.vm, network));
  }
  return { leases, problems };
}

type LeaseOwner = { readonly mac: string; readonly whose: string; readonly hostname?: string };

function macOf(
  { mac, vmRef, interface: nic }: Declared,
  network: VirtualNetwork,
  plugged: readonly PluggedNic[],
): LeaseOwner | { readonly problem: string } {
  if ((mac === undefined) === (vmRef === undefined)) return { problem: "exactly one of mac and vmRef must be there" };
  if (mac !== undefined) return { mac: mac.toLowerCase().replaceAll("-", ":"), whose: mac };
  const name = vmRef?.name ?? "";
  const own = plugged.filter(
    ({ vm }) => vm.metadata.name === name && vm.metadata.namespace === network.metadata.namespace,
  );
  const found = nic === undefined ? own[0] : own.find((each) => each.interface === nic);
  if (found !== undefined) {
    return {
      mac: found.mac,
      whose: machineName(found.vm, network),
      ...(hostLabel.test(name) ? { hostname: name } : {}),
    };
  }
  const which = nic === undefined ? "no interface" : `no interface "${nic}"`;
  return { problem: `VirtualMachine "${name}" has ${which} in this network, or does not exist` };
}

/** As dnsmasq refuses them: each address, MAC and name once. */
function problemOf(
  { mac, ip, hostname }: StaticLease,
  { subnet, leases }: { readonly subnet: string | undefined; readonly leases: readonly StaticLease[] },
): string | undefined {
  if (subnet === undefined) return "no IPv4 subnet of the network is there for it";
  if (!isInSubnet(ip, subnet)) return `it is not in ${subnet}, the subnet with DHCP`;
  if (ip === subnet.split("/")[0]) return "it is the host's own address there";
  if (leases.some((each) => each.ip === ip)) return "the address is kept for another interface";
  if (leases.some((each) => each.mac === mac)) return `another address is kept for ${mac}`;
  if (hostname !== undefined && leases.some((each) => each.hostname?.toLowerCase() === hostname.toLowerCase())) {
    return `the name "${hostname}" is another address's`;
  }
  return undefined;
}
