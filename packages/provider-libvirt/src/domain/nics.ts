// Interfaces of a domain: written, read back. An interface keeps its address on the bus for as long as the domain lives, whatever is added
// or removed beside it, so that a guest that names interfaces by their slots finds it where it was. Pure.

import type { Bandwidth, NicDefinition, NicLimits, NicSource } from "@vivarium/provider";
import { filterNameOf } from "../nics/filter-xml.ts";
import { element, find } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** An interface as a domain's XML has it. */
export interface NicView {
  /** `ua-…` where it was named by who defined it. */
  readonly alias: string | undefined;
  /** `network`, `bridge`, … */
  readonly type: string;
  readonly mac: string;
  /** The host's tap device; only while running. */
  readonly device: string | undefined;
  readonly network: string | undefined;
  readonly bridge: string | undefined;
  readonly model: string | undefined;
  readonly mtu: number | undefined;
  readonly vlan: number | undefined;
  readonly isIsolated: boolean;
  readonly isLinkUp: boolean;
  readonly limits: NicLimits;
  /** Name of the network filter. */
  readonly filter: string | undefined;
  readonly address: XmlElement | undefined;
}

// libvirt takes names from outside only with this prefix: https://libvirt.org/formatdomain.html#devices
const aliasPrefix = "ua-nic-";

/** The name within the VM, of an interface that was made with one. */
export function nameOfNic({ alias }: NicView): string | undefined {
  return alias?.startsWith(aliasPrefix) === true ? alias.slice(aliasPrefix.length) : undefined;
}

/** All interfaces of the definition, each with the address on the bus that the one of its MAC address has already. */
export function nicElements(nics: readonly NicDefinition[], known: readonly NicView[] = []): readonly XmlElement[] {
  return nics.map((nic) => {
    const before = known.find(({ mac, model }) => mac === nic.mac && model === nic.model);
    return nicElement(nic, before === undefined ? {} : { address: before.address });
  });
}

export interface NicPlace {
  readonly address?: XmlElement | undefined;
  /** Of an interface that is there under another one. */
  readonly alias?: string | undefined;
}

export function nicElement(nic: NicDefinition, place: NicPlace = {}): XmlElement {
  return element("interface", { type: "network" in nic.source ? "network" : "bridge" }, [
    element("mac", { address: nic.mac }),
    element("source", { ...nic.source }),
    nic.vlan !== undefined && element("vlan", {}, [element("tag", { id: nic.vlan })]),
    bandwidthElement(nic.limits),
    element("model", { type: nic.model }),
    nic.isLinkUp === false && element("link", { state: "down" }),
    nic.mtu !== undefined && element("mtu", { size: nic.mtu }),
    nic.isIsolated === true && element("port", { isolated: "yes" }),
    nic.filter !== undefined && element("filterref", { filter: filterNameOf(nic.filter) }),
    // No option ROM: it is for booting over the network and costs firmware time.
    element("rom", { enabled: "no" }),
    element("alias", { name: place.alias ?? `${aliasPrefix}${nic.name}` }),
    place.address,
  ]);
}

function bandwidthElement({ inbound, outbound }: NicLimits = {}): XmlElement | undefined {
  if (inbound === undefined && outbound === undefined) return undefined;
  const one = (name: string, limit: Bandwidth | undefined): XmlElement | undefined =>
    limit && element(name, { average: limit.averageKBPerSecond, peak: limit.peakKBPerSecond, burst: limit.burstKiB });
  return element("bandwidth", {}, [one("inbound", inbound), one("outbound", outbound)]);
}

export function parseNic(nic: XmlElement): NicView {
  const source = find(nic, "source")?.attributes;
  const vlan = find(nic, "vlan", "tag")?.attributes["id"];
  const mtu = find(nic, "mtu")?.attributes["size"];
  return {
    alias: find(nic, "alias")?.attributes["name"],
    type: nic.attributes["type"] ?? "",
    mac: find(nic, "mac")?.attributes["address"]?.toLowerCase() ?? "",
    device: find(nic, "target")?.attributes["dev"],
    network: source?.["network"],
    bridge: source?.["bridge"],
    model: find(nic, "model")?.attributes["type"],
    mtu: mtu === undefined ? undefined : Number(mtu),
    vlan: vlan === undefined ? undefined : Number(vlan),
    isIsolated: find(nic, "port")?.attributes["isolated"] === "yes",
    isLinkUp: find(nic, "link")?.attributes["state"] !== "down",
    limits: parseLimits(nic),
    filter: find(nic, "filterref")?.attributes["filter"],
    address: find(nic, "address"),
  };
}

function parseLimits(nic: XmlElement): NicLimits {
  const one = (name: string): Bandwidth | undefined => {
    const { average, peak, burst } = find(nic, "bandwidth", name)?.attributes ?? {};
    if (average === undefined || average === "0") return undefined;
    return {
      averageKBPerSecond: Number(average),
      ...(peak === undefined || peak === "0" ? {} : { peakKBPerSecond: Number(peak) }),
      ...(burst === undefined || burst === "0" ? {} : { burstKiB: Number(burst) }),
    };
  };
  const [inbound, outbound] = [one("inbound"), one("outbound")];
  return { ...(inbound === undefined ? {} : { inbound }), ...(outbound === undefined ? {} : { outbound }) };
}

export function sourceOfNic({ type, network, bridge }: NicView): NicSource | undefined {
  if (type === "network" && network !== undefined) return { network };
  return type === "bridge" && bridge !== undefined ? { bridge } : undefined;
}
