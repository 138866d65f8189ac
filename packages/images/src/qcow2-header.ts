// Reads the header of a qcow2 image, enough to know its size and that it stands alone.
// https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt
//
// An image from elsewhere may name a backing file or an external data file; QEMU would open that file of the host and
// show its bytes to the guest. It is read here, before any tool opens the image.

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly virtualSizeBytes: number;
  readonly clusterBytes: number;
  /** Present when the image names one; empty when the name cannot be read. */
  readonly backingFile?: string;
  readonly isEncrypted: boolean;
  /** Bits of `incompatible_features` by name; unknown ones as `bit 7`. */
  readonly incompatibleFeatures: readonly string[];
  /** Present when an external data file is named by a header extension. */
  readonly externalDataFile?: string;
}

export const qcow2Magic = 0x5146_49fb;

const incompatibleFeatureNames = ["dirty", "corrupt", "external data file", "compression type", "extended L2 entries"];
const endExtension = 0;
const externalDataFileExtension = 0x4441_5441;
/** Longest backing file name that the format allows. */
const maxNameBytes = 1023;

/**
 * `bytes` is the start of the file, at least the first cluster of 64 KiB where the file is that long.
 * Undefined when it is not a qcow2 header, or one that breaks the format's rules.
 */
export function parseQcow2Header(bytes: Uint8Array): Qcow2Header | undefined {
  if (bytes.length < 72) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== qcow2Magic) return undefined;
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return undefined;
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) return undefined;
  const virtualSize = view.getBigUint64(24);
  if (virtualSize > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  if (version === 3 && bytes.length < 104) return undefined;

  const headerBytes = version === 3 ? view.getUint32(100) : 72;
  if (version === 3 && (headerBytes < 104 || headerBytes % 8 !== 0)) return undefined;
  const features = version === 3 ? view.getBigUint64(72) : 0n;
  const backingFile = nameAt(bytes, { offset: view.getBigUint64(8), length: view.getUint32(16) });
  const dataFile = findExtension(view, { from: headerBytes, type: externalDataFileExtension });
  return {
    version,
    virtualSizeBytes: Number(virtualSize),
    clusterBytes: 2 ** clusterBits,
    isEncrypted: view.getUint32(32) !== 0,
    incompatibleFeatures: featureNames(features),
    ...(backingFile !== undefined && { backingFile }),
    ...(dataFile !== undefined && { externalDataFile: dataFile }),
  };
}

function nameAt(bytes: Uint8Array, { offset, length }: { offset: bigint; length: number }): string | undefined {
  if (offset === 0n) return undefined;
  const end = offset + BigInt(length);
  if (length > maxNameBytes || end > BigInt(bytes.length)) return "";
  return Buffer.from(bytes.subarray(Number(offset), Number(end))).toString("utf8");
}

function featureNames(features: bigint): readonly string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit += 1) {
    if ((features & (1n << BigInt(bit))) !== 0n) names.push(incompatibleFeatureNames[bit] ?? `bit ${bit}`);
  }
  return names;
}

/** Header extensions: type, length, data padded to 8 bytes, until type 0. */
function findExtension(view: DataView, { from, type }: { from: number; type: number }): string | undefined {
  let offset = from;
  while (offset + 8 <= view.byteLength) {
    const found = view.getUint32(offset);
    const length = view.getUint32(offset + 4);
    if (found === endExtension) return undefined;
    if (found === type) {
      const end = Math.min(offset + 8 + length, view.byteLength);
      return Buffer.from(view.buffer, view.byteOffset + offset + 8, end - offset - 8).toString("utf8");
    }
    offset += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

/** Why an image with this header must not be used; undefined when it may. */
export function qcow2Objection(header: Qcow2Header): string | undefined {
  if (header.backingFile !== undefined) {
    return `it needs a backing file (${JSON.stringify(header.backingFile)}), which could be any file of this host; expected an image that stands alone`;
  }
  if (header.externalDataFile !== undefined || header.incompatibleFeatures.includes("external data file")) {
    return "it keeps its data in another file, which could be any file of this host; expected an image that stands alone";
  }
  if (header.isEncrypted) return "it is encrypted; expected an image without encryption";
  if (header.incompatibleFeatures.includes("corrupt")) return "it is marked as corrupt";
  const unknown = header.incompatibleFeatures.filter((name) => name.startsWith("bit "));
  if (unknown.length > 0) return `it uses unknown features of its format (${unknown.join(", ")})`;
  return undefined;
}
