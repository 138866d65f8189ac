// From the settings that a network has to those that it shall have, as networkUpdate calls: what goes first, what comes after. Pure.

import { NetworkSection, NetworkUpdateCommand } from "@vivarium/libvirt";
import type { NetworkUpdate } from "@vivarium/libvirt";
import { isInSubnet } from "@vivarium/provider";
import type { NetworkSettings } from "@vivarium/provider";
import { renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import { dnsHostElement, leaseElement, rangeElement } from "./network-xml.ts";

type Updatable = Omit<NetworkSettings, "isAutostarted">;

interface Entry {
  readonly section: number;
  /** Which `<ip>`; absent for what belongs to none. */
  readonly parentIndex?: number;
  readonly xml: string;
}

export function settingUpdates(
  now: Updatable,
  wanted: Updatable,
  { subnets }: { readonly subnets: readonly string[] },
): readonly NetworkUpdate[] {
  const has = entriesOf(now, subnets);
  const wants = entriesOf(wanted, subnets);
  const missingIn = (entries: readonly Entry[]) => (entry: Entry) =>
    !entries.some(({ section, xml }) => section === entry.section && xml === entry.xml);
  // An address or a MAC may pass from one entry to another: libvirt refuses the second while the first is there.
  return [
    ...has.filter(missingIn(wants)).map((entry) => ({ ...entry, command: NetworkUpdateCommand.DELETE })),
    ...wants.filter(missingIn(has)).map((entry) => ({ ...entry, command: NetworkUpdateCommand.ADD_LAST })),
  ];
}

function entriesOf({ ranges, leases, dnsHosts }: Updatable, subnets: readonly string[]): readonly Entry[] {
  const ofSubnet = (section: number, ip: string, xml: XmlElement): Entry => ({
    section,
    parentIndex: subnets.findIndex((subnet) => isInSubnet(ip, subnet)),
    xml: renderXml(xml),
  });
  return [
    ...ranges.map((range) => ofSubnet(NetworkSection.IP_DHCP_RANGE, range.start, rangeElement(range))),
    ...leases.map((lease) => ofSubnet(NetworkSection.IP_DHCP_HOST, lease.ip, leaseElement(lease))),
    ...dnsHosts.map((host) => ({ section: NetworkSection.DNS_HOST, xml: renderXml(dnsHostElement(host)) })),
  ];
}
