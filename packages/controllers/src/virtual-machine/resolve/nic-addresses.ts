// Static addresses of an interface: from the machine's own fields and those of its network, checked against each other. Pure.

import { isIP } from "node:net";
import type { VirtualMachineSpec, VMNetworkAttachment } from "@vivarium/api";
import type { SeedNic, SeedRoute } from "@vivarium/images";
import { canonicalIp, canonicalSubnet, isHostAddress, isInSubnet } from "@vivarium/provider";
import type { Complain } from "../../vm-network-rules.ts";

type DeclaredNic = NonNullable<VirtualMachineSpec["networks"]>[number];

/** What the guest is told of an interface, but for its MAC address. */
export function addressingOf(
  nic: DeclaredNic,
  attachment: VMNetworkAttachment | undefined,
  complain: Complain,
): Omit<SeedNic, "macAddress"> {
  const allocation = attachment?.spec.ipAllocation;
  const fixed = allocation?.type === "Static" ? allocation.staticConfig : undefined;
  const four = addressOf({ ip: nic.ipAddress, prefix: nic.prefix, gateway: nic.gateway }, fixed, {
    family: 4,
    complain,
  });
  const six = addressOf(
    { ip: nic.ipv6Address, prefix: nic.ipv6Prefix, gateway: nic.ipv6Gateway },
    fixed && { ...(fixed.ipv6Address === undefined ? {} : { address: fixed.ipv6Address }), gateway: fixed.ipv6Gateway },
    { family: 6, complain },
  );
  const addresses = [four, six].flatMap((each) => each?.address ?? []);
  const routes = [...(addresses.length > 0 ? (fixed?.routes ?? []) : []), ...(nic.routes ?? [])].map(routeOf);
  for (const { to, via } of routes) {
    if (!isSubnet(to)) complain(`routes: destination "${to}" is no network such as 192.0.2.0/24`);
    if (isIP(via) === 0) complain(`routes: gateway "${via}" is no IP address`);
    else if (addresses.length > 0 && !addresses.some((address) => isInSubnet(via, address))) {
      complain(`routes: gateway ${via} is in no network of the interface (${addresses.join(", ")})`);
    }
  }
  const nameservers = nameserversOf(nic, allocation?.dnsConfig, complain);
  return {
    ...(addresses.length > 0 ? { addresses } : { dhcp4: allocation?.type !== "None" }),
    ...(four?.gateway === undefined ? {} : { gateway4: four.gateway }),
    ...(six?.gateway === undefined ? {} : { gateway6: six.gateway }),
    ...(routes.length === 0 ? {} : { routes }),
    ...(nameservers === undefined ? {} : { nameservers }),
  };
}

interface Family {
  readonly family: 4 | 6;
  readonly complain: Complain;
}

/** The machine's own address, else the network's; the prefix length of the network's holds for the machine's, too. */
function addressOf(
  own: { readonly ip: string | undefined; readonly prefix: number | undefined; readonly gateway: string | undefined },
  fixed: { readonly address?: string; readonly gateway?: string | undefined } | undefined,
  { family, complain }: Family,
): { readonly address: string; readonly gateway: string | undefined } | undefined {
  const subnet = fixed?.address;
  const [fixedIp, fixedPrefix] = subnet?.split("/") ?? [];
  const ip = own.ip ?? fixedIp;
  const gateway = own.gateway ?? fixed?.gateway;
  if (ip === undefined) {
    if (own.gateway !== undefined) complain(`gateway ${own.gateway} needs an address of its family beside it`);
    return undefined;
  }
  if (isIP(ip) !== family) {
    complain(`"${ip}" is no IPv${family} address`);
    return undefined;
  }
  const prefix = own.prefix ?? Number(fixedPrefix ?? (family === 4 ? 24 : 64));
  if (!Number.isInteger(prefix) || prefix < 1 || prefix > (family === 4 ? 32 : 128)) {
    complain(`"${subnet ?? ""}" has no prefix length such as ${family === 4 ? 24 : 64}`);
    return undefined;
  }
  const address = `${canonicalIp(ip) ?? ip}/${prefix}`;
  if (own.ip !== undefined && subnet !== undefined && isSubnet(subnet) && !isInSubnet(own.ip, subnet)) {
    complain(`address ${own.ip} is outside of ${subnet}, which the network says`);
  }
  if (!isHostAddress(address)) {
    complain(`address ${address} is the first or the last of its subnet, which no machine can have`);
  }
  if (gateway !== undefined && isIP(gateway) !== family) complain(`gateway "${gateway}" is no IPv${family} address`);
  else if (gateway === ip) complain(`gateway ${gateway} is the interface's own address`);
  // Link-local gateways are reachable from everywhere.
  else if (gateway !== undefined && !isInSubnet(gateway, address) && !/^fe[89ab]/i.test(gateway)) {
    complain(`gateway ${gateway} is outside of the interface's network ${address}`);
  }
  return { address, gateway };
}

function nameserversOf(
  { dns }: DeclaredNic,
  config: { readonly servers?: readonly string[]; readonly searchDomains?: readonly string[] } | undefined,
  complain: Complain,
): SeedNic["nameservers"] {
  const own = dns
    ?.split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const addresses = own ?? config?.servers ?? [];
  const search = config?.searchDomains ?? [];
  for (const server of addresses) if (isIP(server) === 0) complain(`name server "${server}" is no IP address`);
  if (addresses.length + search.length === 0) return undefined;
  return { addresses, ...(search.length === 0 ? {} : { search }) };
}

function routeOf(route: {
  readonly destination: string;
  readonly gateway: string;
  readonly metric?: number;
}): SeedRoute {
  return {
    to: route.destination,
    via: route.gateway,
    ...(route.metric === undefined ? {} : { metric: route.metric }),
  };
}

function isSubnet(text: string): boolean {
  return canonicalSubnet(text) !== undefined;
}
