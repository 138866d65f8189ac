// The network filter that a NicFilter becomes: https://libvirt.org/formatnwfilter.html. Its name says what is in it, so that rules that
// were changed are another filter, an interface shows which rules it obeys, and what nobody uses can be told. Pure.

import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import { nicFilterKey } from "@vivarium/provider";
import type { NicFilter, NicRule } from "@vivarium/provider";
import { element } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

const namePrefix = "vivarium-";

export function filterNameOf(filter: NicFilter): string {
  return `${namePrefix}${nicFilterKey(filter)}`;
}

/** `unknown` for filters that are not ours. */
export function filterKeyOf(name: string): string {
  const key = name.slice(namePrefix.length);
  return name.startsWith(namePrefix) && /^[0-9a-f]{16}$/.test(key) ? key : "unknown";
}

/** Filters have no metadata: the UUID that follows from the name is the mark of ours. */
export function filterUuidOf(name: string): string {
  const hex = createHash("sha256").update(`https://vivarium.dev/libvirt/1 ${name}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

export function isOurFilter({ name, uuid }: { readonly name: string; readonly uuid: string }): boolean {
  return filterKeyOf(name) !== "unknown" && uuid === filterUuidOf(name);
}

/** Filters of the host that ours is made with. */
export function filtersUsedBy(filter: NicFilter): readonly string[] {
  const base = filter.base === undefined ? [] : [filter.base.name];
  if (filter.antiSpoofing === undefined) return base;
  const six = filter.antiSpoofing.addresses.some((ip) => isIPv6(ip)) ? ["no-ipv6-spoofing"] : [];
  return [...base, ...spoofFilters, ...six];
}

const spoofFilters = ["no-mac-spoofing", "no-ip-spoofing", "no-arp-mac-spoofing", "no-arp-ip-spoofing"];

export function filterElement(filter: NicFilter): XmlElement {
  const name = filterNameOf(filter);
  const { base, antiSpoofing } = filter;
  return element("filter", { name, chain: "root" }, [
    element("uuid", {}, filterUuidOf(name)),
    ...(base === undefined ? [] : [reference(base.name, Object.entries(base.parameters))]),
    ...(antiSpoofing === undefined ? [] : spoofElements(antiSpoofing.addresses)),
    ...firewallElements(filter),
  ]);
}

function reference(filter: string, parameters: readonly (readonly [string, string])[] = []): XmlElement {
  return element(
    "filterref",
    { filter },
    parameters.map(([name, value]) => element("parameter", { name, value })),
  );
}

/**
 * Without an IPv6 address that is known, no IPv6 is sent at all, as with libvirt's own clean-traffic. libvirt could learn addresses by
 * itself, but guests that run already would be cut off until they ask for theirs again.
 */
function spoofElements(addresses: readonly string[]): readonly XmlElement[] {
  if (addresses.length === 0) return [reference("no-mac-spoofing"), ...dhcpAlone];
  const four = addresses.filter((ip) => !isIPv6(ip)).map((ip) => ["IP", ip] as const);
  const six = addresses.filter((ip) => isIPv6(ip)).map((ip) => ["IPV6", ip] as const);
  const ipv6 = (address: string, mask: number): XmlElement =>
    element("rule", { action: "accept", direction: "out", priority: -650 }, [
      element("ipv6", { srcipaddr: address, srcipmask: mask, protocol: "icmpv6" }),
    ]);
  return [
    reference("no-mac-spoofing"),
    reference("no-ip-spoofing", four),
    reference("no-arp-mac-spoofing"),
    reference("no-arp-ip-spoofing", four),
    ...(six.length > 0
      ? // Neighbours are found from link-local addresses, and from none before there is one.
        [ipv6("fe80::", 10), ipv6("::", 128), reference("no-ipv6-spoofing", six)]
      : [
          element("rule", { action: "drop", direction: "out", priority: -600 }, [
            element("mac", { protocolid: "ipv6" }),
          ]),
        ]),
  ];
}

const dhcpAlone: readonly XmlElement[] = [
  element("rule", { action: "accept", direction: "out", priority: -700 }, [
    element("ip", { protocol: "udp", srcportstart: 68, dstportstart: 67 }),
  ]),
  element("rule", { action: "accept", direction: "in", priority: -700 }, [
    element("ip", { protocol: "udp", srcportstart: 67, dstportstart: 68 }),
  ]),
  element("rule", { action: "drop", direction: "inout", priority: -500 }, [element("mac")]),
];

/** Rules of one priority have no order among them, so that each has its own. */
const firstRule = 100;
const lastRule = 1000;

function firewallElements({ rules, otherwise, allowsDhcp }: NicFilter): readonly XmlElement[] {
  if (rules.length === 0 && otherwise === "accept") return [];
  const accept = (name: string, attributes: Readonly<Record<string, string | number>>, direction = "inout") =>
    element("rule", { action: "accept", direction, priority: 10 }, [element(name, attributes)]);
  return [
    ...(allowsDhcp
      ? [
          accept("udp", { srcportstart: 68, dstportstart: 67 }, "out"),
          accept("udp", { srcportstart: 67, dstportstart: 68 }, "in"),
        ]
      : []),
    // Neighbour discovery and router advertisements: without these there is no IPv6.
    ...[133, 134, 135, 136].map((type) => accept("icmpv6", { type })),
    ...rules.flatMap((rule, index) => ruleElements(rule, firstRule + index)),
    ...(otherwise === "accept"
      ? []
      : ["all", "all-ipv6"].map((name) =>
          element("rule", { action: otherwise, direction: "inout", priority: lastRule }, [element(name)]),
        )),
  ];
}

const protocolNames = {
  tcp: ["tcp", "tcp-ipv6"],
  udp: ["udp", "udp-ipv6"],
  icmp: ["icmp", "icmpv6"],
  all: ["all", "all-ipv6"],
} as const satisfies Record<NicRule["protocol"], readonly [string, string]>;

/** One for each family that the rule can mean. */
function ruleElements(rule: NicRule, priority: number): readonly XmlElement[] {
  const named = [rule.source, rule.destination].filter((each) => each !== undefined);
  const isSix = named.some((network) => network.includes(":"));
  const isFour = named.some((network) => !network.includes(":"));
  const [four, six] = protocolNames[rule.protocol];
  return [...(isSix ? [] : [four]), ...(isFour ? [] : [six])].map((name) =>
    element("rule", { action: rule.action, direction: rule.direction, priority }, [
      element(name, {
        ...networkAttributes("src", rule.source),
        ...networkAttributes("dst", rule.destination),
        ...(rule.ports === undefined ? {} : { dstportstart: rule.ports.start, dstportend: rule.ports.end }),
      }),
    ]),
  );
}

function networkAttributes(end: "src" | "dst", network: string | undefined): Readonly<Record<string, string>> {
  if (network === undefined) return {};
  const [address = "", prefix] = network.split("/");
  return { [`${end}ipaddr`]: address, ...(prefix === undefined ? {} : { [`${end}ipmask`]: prefix }) };
}
