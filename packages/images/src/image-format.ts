// What a file is, by its content. A name or a server's Content-Type proves nothing, and an error page is not a disk.

import { open } from "node:fs/promises";
import { parseQcow2Header, qcow2Magic } from "./qcow2-header.ts";
import type { Qcow2Header } from "./qcow2-header.ts";

export type DetectedFormat =
  | { readonly kind: "qcow2"; readonly header: Qcow2Header }
  | { readonly kind: "raw"; readonly sizeBytes: number }
  | { readonly kind: "compressed"; readonly by: "gzip" | "xz" | "zstd" }
  /** Converted by qemu-img, which knows the format under `driver`. */
  | { readonly kind: "convertible"; readonly driver: "vmdk" | "vhdx" | "vpc" }
  /** A tar archive that begins with an OVF descriptor. */
  | { readonly kind: "ova" }
  /** `found` completes "the file is …". */
  | { readonly kind: "unusable"; readonly found: string };

/** The format's first cluster: qcow2 keeps header extensions and the backing file's name within it. */
const headBytes = 64 * 1024;
const vhdFooterBytes = 512;
/** Where QEMU looks for the name of a parent, whatever the header says of the descriptor's place (`desc_offset` in block/vmdk.c). */
const vmdkParentBytes = { start: 512, end: 512 + 20 * 512 } as const;

export async function detectFormat(path: string): Promise<DetectedFormat> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const head = new Uint8Array(Math.min(size, headBytes));
    await file.read(head, 0, head.length, 0);
    const tail = new Uint8Array(Math.min(size, vhdFooterBytes));
    await file.read(tail, 0, tail.length, size - tail.length);
    return formatOf(head, { tail, sizeBytes: size });
  } finally {
    await file.close();
  }
}

export function formatOf(
  head: Uint8Array,
  { tail, sizeBytes }: { readonly tail: Uint8Array; readonly sizeBytes: number },
): DetectedFormat {
  if (sizeBytes === 0) return unusable("empty");
  if (uint32(head, 0) === qcow2Magic) {
    const header = parseQcow2Header(head);
    return header === undefined ? unusable("a qcow2 image with a broken header") : { kind: "qcow2", header };
  }
  if (startsWith(head, 0, [0x1f, 0x8b])) return { kind: "compressed", by: "gzip" };
  if (startsWith(head, 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])) return { kind: "compressed", by: "xz" };
  if (startsWith(head, 0, [0x28, 0xb5, 0x2f, 0xfd])) return { kind: "compressed", by: "zstd" };
  if (hasText(head, 0, "KDMV")) return vmdk(head);
  if (hasText(head, 0, "vhdxfile")) return { kind: "convertible", driver: "vhdx" };
  if (hasText(head, 0, "conectix") || hasText(tail, 0, "conectix")) return { kind: "convertible", driver: "vpc" };
  if (hasText(head, 257, "ustar") && /^[^\0]{1,96}\.ovf\0/i.test(latin1(head.subarray(0, 100)))) return { kind: "ova" };
  const other = otherFormat(head);
  if (other !== undefined) return unusable(other);
  return isRawDisk(head) ? { kind: "raw", sizeBytes } : unusable("no disk image of a known format");
}

function unusable(found: string): DetectedFormat {
  return { kind: "unusable", found };
}

/** A sparse VMDK may name a parent or other files in its descriptor, which QEMU would open. */
function vmdk(head: Uint8Array): DetectedFormat {
  if (head.length < 512) return unusable("a VMDK image with a broken header");
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getBigUint64(12, true) === 0n) return unusable("a VMDK descriptor of other files");
  const start = view.getBigUint64(28, true) * 512n;
  const end = start + view.getBigUint64(36, true) * 512n;
  if (end > BigInt(head.length)) return unusable("a VMDK image whose descriptor is not at its start");
  const descriptor = latin1(head.subarray(Number(start), Number(end)));
  const parent = latin1(head.subarray(vmdkParentBytes.start, vmdkParentBytes.end));
  if (/parentFileNameHint/i.test(descriptor + parent)) return unusable("a VMDK image that needs a parent file");
  return { kind: "convertible", driver: "vmdk" };
}

function otherFormat(head: Uint8Array): string | undefined {
  const start = latin1(head.subarray(0, 512)).trimStart().toLowerCase();
  if (start.startsWith("<!doctype html") || start.startsWith("<html")) return "a web page";
  if (start.startsWith("# disk descriptorfile")) return "a VMDK descriptor of other files";
  if (hasText(head, 257, "ustar")) return "a tar archive that does not begin with an OVF descriptor";
  if (startsWith(head, 0, [0x50, 0x4b, 0x03, 0x04])) return "a zip archive";
  if (hasText(head, 0, "BZh")) return "compressed with bzip2";
  if (hasText(head, 0, "QED\0")) return "a QED image";
  return undefined;
}

/** A boot sector, a GPT, an ISO 9660 volume, or a bare ext file system. */
function isRawDisk(head: Uint8Array): boolean {
  return (
    startsWith(head, 510, [0x55, 0xaa]) ||
    hasText(head, 512, "EFI PART") ||
    hasText(head, 32_769, "CD001") ||
    startsWith(head, 1080, [0x53, 0xef])
  );
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function uint32(bytes: Uint8Array, offset: number): number | undefined {
  if (bytes.length < offset + 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset);
}

function startsWith(bytes: Uint8Array, offset: number, expected: readonly number[]): boolean {
  return expected.every((byte, index) => bytes[offset + index] === byte);
}

function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  return startsWith(bytes, offset, [...Buffer.from(text, "latin1")]);
}
