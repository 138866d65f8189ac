// Makes a file that was fetched into an image that a VM can start from: unpacked, qcow2 or raw, standing alone.

import { stat } from "node:fs/promises";
import { freeBytes, requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { detectFormat } from "./image-format.ts";
import { ImageError } from "./image-source.ts";
import type { StoredForm } from "./image-source.ts";
import { extractDisk } from "./ova/extract-disk.ts";
import { formatBytes, ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { qcow2Objection } from "./qcow2-header.ts";
import { qemuImg } from "./qemu-img.ts";
import { CommandError } from "./run-command.ts";
import { mostUnpackedBytes, unpack } from "./unpack.ts";

/** More than any hypervisor gives one disk in practice. */
const maxVirtualBytes = 64 * 2 ** 40;
/** A file that came so near to its limit has met it. */
const fullMarginBytes = 2 ** 20;

export interface ImportContext {
  /** For messages: `debian.qcow2 from example.org`. */
  readonly name: string;
  /** As it came when absent. */
  readonly stored?: StoredForm;
  /** New files go here; the caller removes it whatever happens. */
  readonly workDirectory: string;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly report: ProgressListener;
  readonly nowMs: () => number;
}

export interface ImportedImage {
  /** The file given, or a new one in the work directory. */
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly virtualSizeBytes: number;
}

/** Throws ImageError: UnknownFormat for what is broken, cut short, or not to be trusted. */
export async function importImage(path: string, context: ImportContext): Promise<ImportedImage> {
  const imported = await importFrom(path, { ...context, wrappings: [] });
  return storeAs(imported, context);
}

async function storeAs(image: ImportedImage, context: ImportContext): Promise<ImportedImage> {
  const { isCompressed = false, format = isCompressed ? "qcow2" : image.format } = context.stored ?? {};
  if (format === image.format && !isCompressed) return image;
  const path = `${context.workDirectory}/stored`;
  await convert(image.path, path, { ...context, driver: image.format, to: format, isCompressed });
  return { ...image, path, format };
}

type Wrapping = "compressed" | "ova";

/** Each wrapping at most once: what somebody packed twice could be packed a thousand times. */
type Unwrapping = ImportContext & { readonly wrappings: readonly Wrapping[] };

async function importFrom(path: string, context: Unwrapping): Promise<ImportedImage> {
  const { workDirectory, name } = context;
  const format = await detectFormat(path);
  switch (format.kind) {
    case "qcow2": {
      const { header } = format;
      const objection = qcow2Objection(header);
      if (objection !== undefined) throw new ImageError("UnknownFormat", `Cannot use ${name}: ${objection}`);
      await check(path, { ...context, driver: "qcow2" });
      return sized({ path, format: "qcow2", virtualSizeBytes: header.virtualSizeBytes }, context);
    }
    case "raw":
      return sized({ path, format: "raw", virtualSizeBytes: format.sizeBytes }, context);
    case "convertible": {
      const converted = `${workDirectory}/converted.qcow2`;
      await convert(path, converted, { ...context, driver: format.driver, to: "qcow2", isCompressed: false });
      return importFrom(converted, context);
    }
    case "compressed": {
      const unpacked = `${workDirectory}/unpacked`;
      const inner = unwrap(context, { wrapping: "compressed", found: `compressed twice (${format.by})` });
      await unpack(path, unpacked, { ...context, by: format.by, maxBytes: maxVirtualBytes });
      return importFrom(unpacked, inner);
    }
    case "ova": {
      const disk = `${workDirectory}/disk`;
      const inner = unwrap(context, { wrapping: "ova", found: "an OVA inside another" });
      await unpackOva(path, disk, context);
      return importFrom(disk, inner);
    }
    case "unusable":
      throw unknownFormat(context, format.found);
    default:
      throw new TypeError(`Unknown format ${JSON.stringify(format satisfies never)}`);
  }
}

function unwrap(
  context: Unwrapping,
  { wrapping, found }: { readonly wrapping: Wrapping; readonly found: string },
): Unwrapping {
  const { wrappings } = context;
  if (wrappings.includes(wrapping)) throw unknownFormat(context, found);
  return { ...context, wrappings: [...wrappings, wrapping] };
}

/** A header can promise any size; every disk made from the image would have it. */
function sized(image: ImportedImage, { name }: ImportContext): ImportedImage {
  const { virtualSizeBytes } = image;
  if (virtualSizeBytes <= maxVirtualBytes) return image;
  throw new ImageError(
    "UnknownFormat",
    `Cannot use ${name}: its disk has ${formatBytes(virtualSizeBytes)}, expected ${formatBytes(maxVirtualBytes)} at most`,
  );
}

function unknownFormat({ name }: ImportContext, found: string): ImageError {
  return new ImageError(
    "UnknownFormat",
    `Cannot use ${name}: the file is ${found}; expected qcow2, raw, ISO, VMDK, VHDX, VHD or OVA, perhaps compressed with gzip, xz or zstd`,
  );
}

async function unpackOva(from: string, to: string, context: ImportContext): Promise<void> {
  const { name, report, nowMs, signal, space } = context;
  const meter = new ProgressMeter("Converting", { message: "unpacking (ova)", report, nowMs });
  await extractDisk(from, to, {
    name,
    roomBytes: await roomIn(space),
    signal,
    onBytes: (done, total) => meter.update(done, total),
  });
}

interface Conversion extends ImportContext {
  readonly driver: string;
  readonly to: "qcow2" | "raw";
  readonly isCompressed: boolean;
}

async function convert(from: string, path: string, context: Conversion): Promise<void> {
  const { driver, to, isCompressed, name, signal, space } = context;
  const action = `convert ${name}`;
  const { size } = await stat(from);
  await requireSpace(action, size, space);
  // A VMDK that was cut short would be converted, with zeros for what is missing. The driver of VHD has no check and refuses it by itself.
  if (driver === "vmdk" || driver === "vhdx") await check(from, context);
  const meter = new ProgressMeter("Converting", {
    message: `converting from ${driver} to ${isCompressed ? "compressed " : ""}${to}`,
    report: context.report,
    nowMs: context.nowMs,
  });
  const roomBytes = await roomIn(space);
  const form = to === "raw" ? [] : ["-o", "compat=1.1", ...(isCompressed ? ["-c"] : [])];
  // The sectors of a VMDK may be compressed; a raw disk has its holes in its length.
  const maxBytes = driver === "vmdk" ? mostUnpackedBytes(size) : Number.POSITIVE_INFINITY;
  try {
    await qemuImg(["convert", "-p", "-f", driver, "-O", to, ...form, from, path], {
      action,
      signal,
      maxFileBytes: Math.min(roomBytes, maxBytes),
      onLine: (line) => {
        const percent = /\((\d+\.\d+)\/100%\)/.exec(line)?.[1];
        if (percent !== undefined) meter.update(Math.round(Number(percent) * 100), 10_000);
      },
    });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    // qemu-img has one exit code for all: look.
    await requireSpace(action, 0, space);
    const isFull = await stat(path).then(
      (written) => written.size + fullMarginBytes > roomBytes,
      () => false,
    );
    if (isFull) throw new ImageError("DiskFull", `Cannot ${action}: it does not fit in ${space.directory}`, { cause });
    throw new ImageError("UnknownFormat", `Cannot use ${name}: ${cause.message}`, { cause });
  }
}

/** Only after the header was found to name no other file. An image cut short has clusters beyond its end. */
async function check(path: string, context: ImportContext & { readonly driver: string }): Promise<void> {
  const { name, driver, signal } = context;
  try {
    await qemuImg(["check", "-q", "-f", driver, path], { action: `check ${name}`, signal });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (cause.exitCode === 3) return; // leaked clusters waste room and harm nothing
    const message = `Cannot use ${name}: qemu-img finds the image damaged\n${cause.stderr}`;
    throw new ImageError("UnknownFormat", message, { cause });
  }
}

async function roomIn({ directory, reserveBytes }: SpaceGuard): Promise<number> {
  return Math.max(0, (await freeBytes(directory)) - reserveBytes);
}
