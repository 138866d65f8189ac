// Changes what a domain has for disks, and what is recorded of its snapshots.

import { DomainModificationImpact, DomainXmlFlags } from "@vivarium/libvirt";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import { diskAlias } from "../domain/disks.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { find, parseXml, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import type { OwnDisk, SnapshotLook } from "./look.ts";
import { snapshotMetadata, withSnapshotRecord } from "./record.ts";
import type { SnapshotRecord } from "./record.ts";

const { LIVE, CONFIG } = DomainModificationImpact;

export async function writeRecord(
  { libvirt, domain, isOn }: SnapshotLook,
  record: SnapshotRecord,
  options: CallOptions | undefined,
): Promise<void> {
  await libvirt.domainSetMetadata(domain, snapshotMetadata(record), {
    ...options,
    flags: isOn ? LIVE | CONFIG : CONFIG,
  });
}

/** Of a domain that is off: other files and another record, in one step. */
export async function redefine(
  { host }: { readonly host: LibvirtHost },
  { libvirt, domain, disks, poolPath }: SnapshotLook,
  {
    vm,
    heads,
    record,
    options,
  }: {
    readonly vm: VmIdentity;
    readonly heads: ReadonlyMap<string, string>;
    readonly record: SnapshotRecord;
    readonly options: CallOptions | undefined;
  },
): Promise<void> {
  await host.definitions.take(vm.uid, async () => {
    // As it is now: it may have been defined anew since it was looked at.
    const flags = DomainXmlFlags.INACTIVE | DomainXmlFlags.SECURE;
    const config = parseXml(await libvirt.domainGetXmlDesc(domain, { ...options, flags }));
    const xml = withHeads(withSnapshotRecord(config, record), { own: disks.own, heads, poolPath });
    await libvirt.domainDefineXmlFlags(renderXml(xml), options);
  });
}

/** The domain's XML with these volumes for its disks. */
export function withHeads(
  domain: XmlElement,
  {
    own,
    heads,
    poolPath,
  }: {
    readonly own: readonly OwnDisk[];
    readonly heads: ReadonlyMap<string, string>;
    readonly poolPath: string;
  },
): XmlElement {
  const ofDisk = (disk: XmlElement): XmlElement => {
    const alias = find(disk, "alias")?.attributes["name"];
    const target = find(disk, "target")?.attributes["dev"];
    const known =
      own.find(({ name }) => diskAlias(name) === alias) ??
      own.find((each) => alias === undefined && each.target === target);
    const head = known && heads.get(known.name);
    return head === undefined ? disk : withSource(disk, `${poolPath}/${head}`);
  };
  return {
    ...domain,
    children: domain.children.map((child) =>
      child.name === "devices"
        ? { ...child, children: child.children.map((device) => (device.name === "disk" ? ofDisk(device) : device)) }
        : child,
    ),
  };
}

/** What it backed onto is for libvirt to find out. */
function withSource(disk: XmlElement, file: string): XmlElement {
  return {
    ...disk,
    children: disk.children
      .filter(({ name }) => name !== "backingStore")
      .map((child) =>
        child.name === "source" ? { name: "source", attributes: { file }, children: [], text: "" } : child,
      ),
  };
}
