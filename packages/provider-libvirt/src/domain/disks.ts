// Disks of a domain: written, placed, read back. A disk keeps its target and its address on the bus for as long as the domain lives,
// whatever is added or removed beside it, so that a guest finds it where it was. Pure.

import { ProviderError } from "@vivarium/provider";
import type { DiskDefinition, DiskLimits, VmDefinition, VmIdentity } from "@vivarium/provider";
import { diskOfVolume, diskVolumeName, seedVolumeName } from "../names.ts";
import { element, find, textAt } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** A disk as a domain's XML has it. */
export interface DiskView {
  /** `ua-…` where it was named by who defined it. */
  readonly alias: string | undefined;
  readonly target: string;
  readonly bus: string;
  /** Path of the file or device. */
  readonly source: string | undefined;
  readonly format: string;
  readonly limits: DiskLimits;
  readonly address: XmlElement | undefined;
  readonly isReadOnly: boolean;
}

/** What has to be known about volumes and about the domain that is there already. */
export interface DiskPlaces {
  /** Directory of the pool that holds the VM's own volumes. */
  readonly poolPath: string;
  /** Paths of volumes with a life of their own, by disk. */
  readonly volumePaths?: ReadonlyMap<string, string>;
  /** Volumes that the VM's own disks are written to, where they are not their first. */
  readonly heads?: ReadonlyMap<string, string>;
  /** Disks of the domain that is defined anew. */
  readonly known?: readonly DiskView[];
}

export interface PlacedDisk {
  readonly disk: DiskDefinition;
  readonly path: string;
  readonly target: string;
  readonly address?: XmlElement;
  readonly isRoot: boolean;
}

// libvirt takes names from outside only with this prefix: https://libvirt.org/formatdomain.html#devices
const aliasPrefix = "ua-disk-";
/** Far behind all disks that there can be, so that it moves for none of them. */
const seedTarget = "vdz";

export function diskAlias(name: string): string {
  return `${aliasPrefix}${name}`;
}

/** The name within the VM of a disk that was found: by its alias, or as what was defined before there were aliases. */
export function nameOfDisk(vm: VmIdentity, { alias, source }: DiskView): string | undefined {
  if (alias?.startsWith(aliasPrefix) === true) return alias.slice(aliasPrefix.length);
  const file = source?.slice(source.lastIndexOf("/") + 1) ?? "";
  return diskOfVolume(vm, file);
}

export function isSeed(vm: VmIdentity, { source }: DiskView): boolean {
  return source?.endsWith(`/${seedVolumeName(vm)}`) === true;
}

/** All disks of the definition with their targets: the present one where the domain has the disk, else the next that is free. */
export function placeDisks({ identity, disks }: VmDefinition, places: DiskPlaces): readonly PlacedDisk[] {
  const known = new Map((places.known ?? []).map((view) => [view.source, view]));
  const placed = disks.map((disk, index) => {
    const path = pathOf(identity, disk, places);
    const before = known.get(path);
    const isKept = before !== undefined && before.bus === (disk.bus ?? "virtio");
    return { disk, path, isRoot: index === 0, ...(isKept ? keptPlaceOf(before) : {}) };
  });
  const taken = new Set([seedTarget, ...placed.flatMap(({ target }) => target ?? [])]);
  return placed.map((each) => ({ ...each, target: each.target ?? take(taken, each.disk) }));
}

function keptPlaceOf(view: DiskView): { readonly target: string; readonly address?: XmlElement } {
  return { target: view.target, ...(view.address === undefined ? {} : { address: view.address }) };
}

export function pathOf(vm: VmIdentity, disk: DiskDefinition, { poolPath, volumePaths, heads }: DiskPlaces): string {
  if (disk.volume === undefined) return `${poolPath}/${heads?.get(disk.name) ?? diskVolumeName(vm, disk.name)}`;
  const path = volumePaths?.get(disk.name);
  if (path === undefined) {
    const { pool, name } = disk.volume;
    throw new ProviderError(
      "NotFound",
      `Disk "${disk.name}" of VM "${vm.name}" has no volume: "${pool}/${name}" does not exist`,
    );
  }
  return path;
}

function take(taken: Set<string>, disk: DiskDefinition): string {
  for (let index = 0; ; index += 1) {
    const target = diskDevice(index, disk.bus);
    if (taken.has(target)) continue;
    taken.add(target);
    return target;
  }
}

/** The next target that none of these has. */
export function freeTarget(disks: readonly DiskView[], disk: DiskDefinition): string {
  return take(new Set(disks.map(({ target }) => target)), disk);
}

/** vda, …, vdz, vdaa, …; sda, … on the SCSI bus. */
export function diskDevice(index: number, bus: DiskDefinition["bus"] = "virtio"): string {
  let letters = "";
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    letters = String.fromCodePoint(97 + (rest % 26)) + letters;
  }
  return `${bus === "scsi" ? "sd" : "vd"}${letters}`;
}

export function scsiController(): XmlElement {
  return element("controller", { type: "scsi", index: 0, model: "virtio-scsi" });
}

export function diskElement({ disk, path, target, address, isRoot }: PlacedDisk): XmlElement {
  const cache = disk.cache ?? "writeback";
  const isBlock = path.startsWith("/dev/");
  return element("disk", { type: isBlock ? "block" : "file", device: "disk" }, [
    element("driver", {
      name: "qemu",
      type: disk.format ?? "qcow2",
      cache,
      // The kernel's own asynchronous I/O wants the host's cache out of the way.
      io: cache === "none" || cache === "directsync" ? "native" : undefined,
      discard: disk.discard ?? "unmap",
    }),
    element("source", isBlock ? { dev: path } : { file: path }),
    element("target", { dev: target, bus: disk.bus ?? "virtio" }),
    iotuneElement(disk.limits),
    disk.isReadOnly === true && element("readonly"),
    disk.serial !== undefined && element("serial", {}, disk.serial),
    // Only the root disk boots; without this firmware tries the other disks and the network.
    isRoot && element("boot", { order: 1 }),
    element("alias", { name: diskAlias(disk.name) }),
    address,
  ]);
}

/** A virtio disk, not a CD-ROM: Debian's cloud kernel has no AHCI driver and would never see one. cloud-init finds it by its label. */
export function seedDisk(path: string, known: readonly DiskView[] = []): XmlElement {
  const before = known.find(({ source }) => source === path);
  return element("disk", { type: "file", device: "disk" }, [
    element("driver", { name: "qemu", type: "raw" }),
    element("source", { file: path }),
    element("target", { dev: before?.target ?? seedTarget, bus: "virtio" }),
    element("readonly"),
    before?.address,
  ]);
}

/** Names of libvirt's limits: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms (iotune). */
export const limitNames = {
  totalIops: "total_iops_sec",
  readIops: "read_iops_sec",
  writeIops: "write_iops_sec",
  totalBytes: "total_bytes_sec",
  readBytes: "read_bytes_sec",
  writeBytes: "write_bytes_sec",
} as const satisfies Record<keyof DiskLimits, string>;

export const limitKeys = Object.keys(limitNames) as readonly (keyof DiskLimits)[];

function iotuneElement(limits: DiskLimits | undefined): XmlElement | undefined {
  const children = limitKeys.flatMap((key) => {
    const value = limits?.[key];
    return value === undefined ? [] : [element(limitNames[key], {}, String(value))];
  });
  return children.length === 0 ? undefined : element("iotune", {}, children);
}

export function parseDisk(disk: XmlElement): DiskView {
  const source = find(disk, "source")?.attributes;
  const target = find(disk, "target")?.attributes;
  return {
    alias: find(disk, "alias")?.attributes["name"],
    target: target?.["dev"] ?? "",
    bus: target?.["bus"] ?? "",
    source: source?.["file"] ?? source?.["dev"],
    format: find(disk, "driver")?.attributes["type"] ?? "",
    limits: Object.fromEntries(
      limitKeys.flatMap((key) => {
        const text = textAt(disk, "iotune", limitNames[key]);
        return text === undefined || text === "0" ? [] : [[key, Number(text)]];
      }),
    ),
    address: find(disk, "address"),
    isReadOnly: find(disk, "readonly") !== undefined,
  };
}
