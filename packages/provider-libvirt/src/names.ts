// Every name on the hypervisor follows from the VM's identity or the image's bytes, so that a step repeated after a crash meets
// what the earlier try made, and so that what is ours can be told from what is not.

import { domainNameOf, ProviderError } from "@vivarium/provider";
import type { VmIdentity } from "@vivarium/provider";

/** All volumes of a VM begin with this, and no other VM's do: the uid is in it. */
export function volumePrefix(vm: VmIdentity): string {
  return `${domainNameOf(vm)}.${vm.uid.slice(0, 8)}.`;
}

const diskName = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

export function diskVolumeName(vm: VmIdentity, disk: string): string {
  if (!diskName.test(disk)) {
    throw new ProviderError(
      "InvalidSpec",
      `Cannot name disk ${JSON.stringify(disk)} of VM "${vm.name}": expected letters, digits, "-" and "_"`,
    );
  }
  return `${volumePrefix(vm)}${disk}.qcow2`;
}

/** Of a file into which a disk is written from a snapshot on; `turn` tells apart those that begin at the same one. */
export function overlayVolumeName(vm: VmIdentity, disk: string, from: { uid: string; turn?: number }): string {
  const base = diskVolumeName(vm, disk).slice(0, -".qcow2".length);
  return `${base}.${from.uid.slice(0, 8)}${from.turn === undefined ? "" : `-${from.turn}`}.qcow2`;
}

/** The disk whose file this is: its first, or an overlay. */
export function diskOfVolume(vm: VmIdentity, volume: string): string | undefined {
  const prefix = volumePrefix(vm);
  if (!volume.startsWith(prefix)) return undefined;
  return /^([A-Za-z0-9][A-Za-z0-9_-]*)(\.[0-9a-f]{8}(-\d{1,6})?)?\.qcow2$/.exec(volume.slice(prefix.length))?.[1];
}

export function memoryVolumeName(vm: VmIdentity, snapshotUid: string): string {
  return `${volumePrefix(vm)}${snapshotUid.slice(0, 8)}.memory`;
}

/** Of a copy of the firmware's variables. */
export function nvramVolumeName(vm: VmIdentity, snapshotUid: string): string {
  return `${volumePrefix(vm)}${snapshotUid.slice(0, 8)}.nvram`;
}

export function seedVolumeName(vm: VmIdentity): string {
  return `${volumePrefix(vm)}seed.iso`;
}

export function serialLogName(vm: VmIdentity): string {
  return `${volumePrefix(vm)}serial.log`;
}

/**
 * True for exactly the volumes made for this VM, with the serial logs that virtlogd rotated (`….serial.log.0`). A name that has our
 * prefix and another form is somebody else's file.
 */
export function isVolumeOf(vm: VmIdentity, volume: string): boolean {
  const prefix = volumePrefix(vm);
  if (!volume.startsWith(prefix)) return false;
  const rest = volume.slice(prefix.length);
  return (
    rest === "seed.iso" ||
    /^serial\.log(\.\d+)?$/.test(rest) ||
    /^[0-9a-f]{8}\.(memory|nvram)$/.test(rest) ||
    diskOfVolume(vm, volume) !== undefined
  );
}

export interface ImageName {
  /** The first 24 hex digits of the file's SHA-256. */
  readonly digest24: string;
  readonly format: "qcow2" | "raw";
  /** Size of the file: an import is complete when the volume has it. */
  readonly sizeBytes: number;
}

export function digest24(digest: string): string {
  const match = /^sha256:([0-9a-f]{24})[0-9a-f]{40}$/.exec(digest);
  if (match?.[1] === undefined)
    throw new RangeError(`Cannot name image "${digest}": expected sha256: and 64 hex digits`);
  return match[1];
}

export function imageVolumeName(image: ImageName): string {
  return `image-${image.digest24}-${image.sizeBytes}.${image.format}`;
}

/** Undefined for volumes that are not images of ours. */
export function parseImageVolumeName(volume: string): ImageName | undefined {
  const match = /^image-([0-9a-f]{24})-(\d{1,15})\.(qcow2|raw)$/.exec(volume);
  if (match === null) return undefined;
  const [, digest = "", size = "", format = ""] = match;
  return { digest24: digest, sizeBytes: Number(size), format: format === "raw" ? "raw" : "qcow2" };
}
