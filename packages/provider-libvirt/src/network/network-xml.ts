// Networks as libvirt wants and tells them: https://libvirt.org/formatnetwork.html. Pure.

import { canonicalIp, canonicalSubnet, isInSubnet } from "@vivarium/provider";
import type {
  AddressRange,
  DnsHost,
  NetworkDefinition,
  NetworkMode,
  NetworkObservation,
  NetworkSettings,
  StaticLease,
} from "@vivarium/provider";
import { markElement } from "../domain/identity.ts";
import { element, find, findAll, parseXml, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

export function buildNetworkXml(definition: NetworkDefinition): string {
  const { owner, name, mode, bridge, domain, subnets, settings } = definition;
  return renderXml(
    element("network", {}, [
      element("name", {}, name),
      element("uuid", {}, owner.uid),
      // For people: whose it is goes by the UUID.
      element("metadata", {}, [markElement(owner, "network")]),
      forward(mode, subnets),
      // Without the delay: a guest that is plugged in would wait for it before its first packet.
      isOnHostBridge(mode)
        ? element("bridge", { name: bridge })
        : element("bridge", { name: bridge, stp: "on", delay: 0 }),
      mode === "openvswitch" && element("virtualport", { type: "openvswitch" }),
      vlanElement(definition),
      domain !== undefined && element("domain", { name: domain, localOnly: "yes" }),
      settings.dnsHosts.length > 0 && element("dns", {}, settings.dnsHosts.map(dnsHostElement)),
      ...subnets.map((subnet) => ipElement(subnet, settings)),
    ]),
  );
}

function vlanElement({ vlan, trunk }: NetworkDefinition): XmlElement | false {
  if (vlan !== undefined) return element("vlan", {}, [element("tag", { id: vlan })]);
  if (trunk === undefined) return false;
  return element(
    "vlan",
    { trunk: "yes" },
    trunk.map((id) => element("tag", { id })),
  );
}

export function isOnHostBridge(mode: string): boolean {
  return mode === "bridged" || mode === "openvswitch";
}

function forward(mode: NetworkMode, subnets: readonly string[]): XmlElement | false {
  switch (mode) {
    case "nat": {
      const hasIpv6 = subnets.some((subnet) => subnet.includes(":"));
      return element("forward", { mode: "nat" }, [hasIpv6 && element("nat", { ipv6: "yes" })]);
    }
    case "routed":
      return element("forward", { mode: "route" });
    case "bridged":
    case "openvswitch":
      return element("forward", { mode: "bridge" });
    case "isolated":
      return false;
  }
}

function ipElement(subnet: string, { ranges, leases }: NetworkSettings): XmlElement {
  const [address = "", prefix] = subnet.split("/");
  const inside = ({ ip }: { readonly ip: string }): boolean => isInSubnet(ip, subnet);
  const dhcp = [
    ...ranges.filter(({ start }) => inside({ ip: start })).map(rangeElement),
    ...leases.filter(inside).map(leaseElement),
  ];
  return element("ip", { family: address.includes(":") ? "ipv6" : "ipv4", address, prefix }, [
    dhcp.length > 0 && element("dhcp", {}, dhcp),
  ]);
}

export function rangeElement({ start, end }: AddressRange): XmlElement {
  return element("range", { start, end });
}

export function leaseElement({ mac, ip, hostname }: StaticLease): XmlElement {
  return element("host", { mac, name: hostname, ip });
}

export function dnsHostElement({ ip, names }: DnsHost): XmlElement {
  return element(
    "host",
    { ip },
    names.map((name) => element("hostname", {}, name)),
  );
}

export interface NetworkView {
  readonly name: string;
  readonly uuid: string;
  readonly shape: Extract<NetworkObservation, { kind: "present" }>["shape"];
  readonly settings: Omit<NetworkSettings, "isAutostarted">;
}

export function parseNetworkXml(xml: string): NetworkView {
  const root = parseXml(xml);
  const ips = findAll(root, "ip");
  const bridge = find(root, "bridge")?.attributes["name"];
  const tags = findAll(root, "vlan", "tag").map(({ attributes }) => Number(attributes["id"]));
  const isTrunk = find(root, "vlan")?.attributes["trunk"] === "yes" || tags.length > 1;
  const domain = find(root, "domain")?.attributes["name"];
  return {
    name: find(root, "name")?.text ?? "",
    uuid: find(root, "uuid")?.text ?? "",
    shape: {
      mode: modeOf(root),
      subnets: ips.map(subnetOf),
      ...(bridge === undefined ? {} : { bridge }),
      ...(tags[0] === undefined ? {} : isTrunk ? { trunk: tags } : { vlan: tags[0] }),
      ...(domain === undefined ? {} : { domain }),
    },
    settings: {
      ranges: ips
        .flatMap((ip) => findAll(ip, "dhcp", "range"))
        .map(({ attributes }) => ({ start: ipOf(attributes["start"]), end: ipOf(attributes["end"]) })),
      leases: ips
        .flatMap((ip) => findAll(ip, "dhcp", "host"))
        .map(({ attributes: { mac = "", ip, name } }) => ({
          mac: mac.toLowerCase(),
          ip: ipOf(ip),
          ...(name === undefined ? {} : { hostname: name }),
        })),
      dnsHosts: findAll(root, "dns", "host").map((host) => ({
        ip: ipOf(host.attributes["ip"]),
        names: findAll(host, "hostname").map(({ text }) => text),
      })),
    },
  };
}

function modeOf(root: XmlElement): string {
  const forwarding = find(root, "forward");
  if (forwarding === undefined) return "isolated";
  // As libvirt reads a <forward> without mode.
  const { mode = "nat" } = forwarding.attributes;
  if (mode === "route") return "routed";
  if (mode !== "bridge") return mode;
  return find(root, "virtualport")?.attributes["type"] === "openvswitch" ? "openvswitch" : "bridged";
}

/** IPv4 networks may say `netmask` instead of the prefix's length. */
function subnetOf({ attributes: { address = "", prefix, netmask } }: XmlElement): string {
  const length = prefix ?? (netmask === undefined ? (address.includes(":") ? "128" : "32") : String(bitsOf(netmask)));
  return canonicalSubnet(`${address}/${length}`) ?? `${address}/${length}`;
}

function bitsOf(netmask: string): number {
  return netmask
    .split(".")
    .map((octet) => Number(octet).toString(2).replaceAll("0", "").length)
    .reduce((sum, bits) => sum + bits, 0);
}

function ipOf(text = ""): string {
  return canonicalIp(text) ?? text;
}
