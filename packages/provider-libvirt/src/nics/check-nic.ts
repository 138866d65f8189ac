// Refuses an interface that this host cannot give, before anything is touched, and says what would have to change.

import { readFile } from "node:fs/promises";
import { BlockList, isIPv6 } from "node:net";
import { isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import type { CallOptions, NicDefinition, ProviderErrorCode } from "@vivarium/provider";
import { isBridge } from "../network/host-network.ts";
import { find, findAll, parseXml } from "../xml/element.ts";
import { filtersUsedBy } from "./filter-xml.ts";
import { findFilter } from "./filters.ts";
import type { ShapingProbe } from "./shaping.ts";

export interface Refusal {
  readonly code: ProviderErrorCode;
  readonly why: string;
}

export interface NicCheckParts {
  readonly libvirt: Libvirt;
  /** Name of the host, for people. */
  readonly hostname: string;
  readonly isLocal: boolean;
  readonly shaping: ShapingProbe;
  readonly options: CallOptions | undefined;
}

/** What packets of an interface go through. */
interface Segment {
  /** As people know it. */
  readonly name: string;
  readonly isOpenVswitch: boolean;
  /** The host's addresses there, with prefix length. */
  readonly subnets: readonly string[];
}

export async function refusalOfNic(nic: NicDefinition, parts: NicCheckParts): Promise<Refusal | undefined> {
  const segment = "bridge" in nic.source ? await findBridge(nic, parts) : await findNetwork(nic, parts);
  if ("code" in segment) return segment;
  return refusalBySegment(nic, segment) ?? (await refusalOfFilter(nic, parts)) ?? (await refusalOfLimits(nic, parts));
}

async function findBridge(nic: NicDefinition, parts: NicCheckParts): Promise<Segment | Refusal> {
  const name = "bridge" in nic.source ? nic.source.bridge : "";
  if (!parts.isLocal || (await isBridge(name))) return { name: `bridge "${name}"`, isOpenVswitch: false, subnets: [] };
  const why = `NIC "${nic.name}" names bridge "${name}", which host "${parts.hostname}" does not have`;
  return { code: "InvalidSpec", why };
}

async function findNetwork(nic: NicDefinition, parts: NicCheckParts): Promise<Segment | Refusal> {
  const name = "network" in nic.source ? nic.source.network : "";
  try {
    const network = await parts.libvirt.networkLookupByName(name, parts.options);
    if (!(await parts.libvirt.networkIsActive(network, parts.options))) {
      const why = `network "${name}" of NIC "${nic.name}" is inactive, expected active; start it with "virsh net-start ${name}"`;
      return { code: "Conflict", why };
    }
    return parseSegment(await parts.libvirt.networkGetXmlDesc(network, parts.options));
  } catch (error) {
    if (!isLibvirtError(error, "NO_NETWORK")) throw error;
    const why = `NIC "${nic.name}" names network "${name}", which host "${parts.hostname}" does not have`;
    return { code: "InvalidSpec", why };
  }
}

export function parseSegment(xml: string): Segment {
  const root = parseXml(xml);
  return {
    name: `network "${find(root, "name")?.text ?? ""}"`,
    isOpenVswitch: find(root, "virtualport")?.attributes["type"] === "openvswitch",
    subnets: findAll(root, "ip").map(({ attributes: { address = "", prefix, netmask } }) => {
      return `${address}/${prefix ?? (netmask === undefined ? (isIPv6(address) ? 64 : 24) : prefixOf(netmask))}`;
    }),
  };
}

function prefixOf(netmask: string): number {
  const bits = netmask.split(".").map((octet) => Number(octet).toString(2).padStart(8, "0"));
  return bits.join("").replaceAll("0", "").length;
}

/** Pure: what follows from the network that the interface is on. */
export function refusalBySegment(nic: NicDefinition, segment: Segment): Refusal | undefined {
  const unsupported = (what: string): Refusal => ({ code: "Unsupported", why: `NIC "${nic.name}" ${what}` });
  if (nic.vlan !== undefined && !segment.isOpenVswitch) {
    return unsupported(`has VLAN tag ${nic.vlan}, and ${segment.name} is not one of Open vSwitch`);
  }
  if (segment.isOpenVswitch && nic.isIsolated === true) {
    return unsupported(`is to be isolated, which bridges do and Open vSwitch (${segment.name}) does not`);
  }
  if (segment.isOpenVswitch && nic.filter !== undefined) {
    return unsupported(`has a filter, and packets of Open vSwitch (${segment.name}) pass no filter of the host`);
  }
  for (const address of nic.addresses ?? []) {
    const [ip = ""] = address.split("/");
    const ofFamily = segment.subnets.filter((subnet) => isIPv6(ip) === subnet.includes(":"));
    if (ofFamily.some((subnet) => subnet.split("/")[0] === ip)) {
      return { code: "InvalidSpec", why: `address ${ip} of NIC "${nic.name}" is the host's own in ${segment.name}` };
    }
    if (ofFamily.length > 0 && !ofFamily.some((subnet) => isWithin(ip, subnet))) {
      const why = `address ${ip} of NIC "${nic.name}" is outside of ${segment.name}, which has ${ofFamily.join(", ")}`;
      return { code: "InvalidSpec", why };
    }
  }
  return undefined;
}

function isWithin(ip: string, subnet: string): boolean {
  const [address = "", prefix = ""] = subnet.split("/");
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family);
  return list.check(ip, family);
}

async function refusalOfFilter(nic: NicDefinition, parts: NicCheckParts): Promise<Refusal | undefined> {
  const { filter } = nic;
  if (filter === undefined) return undefined;
  for (const name of filtersUsedBy(filter)) {
    if ((await findFilter(parts.libvirt, name, parts.options)) !== undefined) continue;
    const isOwn = name !== filter.base?.name;
    return {
      code: isOwn ? "Unsupported" : "InvalidSpec",
      why: `host "${parts.hostname}" has no network filter "${name}", which NIC "${nic.name}" needs${isOwn ? " (package libvirt-daemon-config-nwfilter)" : ""}`,
    };
  }
  // Rules of bridged packets are iptables', and the kernel only shows those packets to iptables where it is told to.
  if (!parts.isLocal || filter.rules.length + (filter.otherwise === "accept" ? 0 : 1) === 0) return undefined;
  const missing = await firstNotOne(
    ["iptables", "ip6tables"].map((table) => `/proc/sys/net/bridge/bridge-nf-call-${table}`),
  );
  if (missing === undefined) return undefined;
  const why = `host "${parts.hostname}" shows bridged packets to no firewall, so that the rules of NIC "${nic.name}" would not hold: load the kernel module br_netfilter and set ${missing} to 1`;
  return { code: "Unsupported", why };
}

async function refusalOfLimits(nic: NicDefinition, parts: NicCheckParts): Promise<Refusal | undefined> {
  if (nic.limits?.inbound === undefined && nic.limits?.outbound === undefined) return undefined;
  const shaping = await parts.shaping.find();
  if (shaping.canLimit) return undefined;
  const why = `host "${parts.hostname}" cannot limit the bandwidth of NIC "${nic.name}": ${shaping.why}`;
  return { code: "Unsupported", why };
}

async function firstNotOne(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.trim() !== "1") return path;
  }
  return undefined;
}
