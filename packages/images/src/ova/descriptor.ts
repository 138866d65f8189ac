// The descriptor of an OVF package: which of its files are disks. https://www.dmtf.org/dsp/DSP0243

import { XMLParser } from "fast-xml-parser";

export interface PackagedDisk {
  /** Name of the file in the package. */
  readonly file: string;
  readonly isCompressed: boolean;
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name) => name === "File" || name === "Disk",
});

/** Throws RangeError for what it cannot read. */
export function parseDescriptor(text: string): readonly PackagedDisk[] {
  // Entities of a document's own can name files of this host, and can grow without end. OVF has no use for them.
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new RangeError("its descriptor has a document type, which OVF has not");
  const envelope = child(parse(text), "Envelope");
  if (envelope === undefined) throw new RangeError("its descriptor has no Envelope");
  const files = list(child(child(envelope, "References"), "File"));
  return list(child(child(envelope, "DiskSection"), "Disk")).map((disk) => {
    const id = attribute(disk, "diskId") ?? "";
    const reference = attribute(disk, "fileRef");
    const file = files.find((each) => attribute(each, "id") === reference);
    const name = attribute(file, "href");
    if (reference === undefined || name === undefined) {
      throw new RangeError(`its descriptor names no file for disk "${id}"; expected a disk with content`);
    }
    if (attribute(disk, "parentRef") !== undefined) {
      throw new RangeError(`its disk "${id}" needs a parent disk; expected one that stands alone`);
    }
    if (attribute(file, "chunkSize") !== undefined) {
      throw new RangeError(`its disk "${id}" is cut into chunks; expected one file`);
    }
    const compression = attribute(file, "compression") ?? "identity";
    if (compression !== "identity" && compression !== "gzip") {
      throw new RangeError(`its disk "${id}" is compressed with "${compression}"; expected gzip or none`);
    }
    return { file: name, isCompressed: compression === "gzip" };
  });
}

function parse(text: string): unknown {
  try {
    return parser.parse(text, true);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RangeError(`its descriptor is no XML: ${why}`, { cause });
  }
}

function child(node: unknown, name: string): unknown {
  if (typeof node !== "object" || node === null || !Object.hasOwn(node, name)) return undefined;
  return Object.entries(node).find(([key]) => key === name)?.[1];
}

function list(node: unknown): readonly unknown[] {
  return Array.isArray(node) ? node : [];
}

function attribute(node: unknown, name: string): string | undefined {
  const value = child(node, `@${name}`);
  return typeof value === "string" ? value : undefined;
}
