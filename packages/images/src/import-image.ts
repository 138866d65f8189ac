// Makes a file that was fetched into an image that a VM can start from: unpacked, qcow2 or raw, standing alone.

import { createReadStream, createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { spawn } from "node:child_process";
import { pipeline } from "node:stream/promises";
import { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { freeBytes, requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { requireTools } from "./host-tools.ts";
import { detectFormat } from "./image-format.ts";
import { ImageError } from "./image-source.ts";
import { extractDisk } from "./ova/extract-disk.ts";
import { formatBytes, ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { qcow2Objection } from "./qcow2-header.ts";
import { qemuImg } from "./qemu-img.ts";
import { CommandError } from "./run-command.ts";

/** More than any hypervisor gives one disk in practice. */
const maxVirtualBytes = 64 * 2 ** 40;
/** A file that came so near to its limit has met it. */
const fullMarginBytes = 2 ** 20;

export interface ImportContext {
  /** For messages: `debian.qcow2 from example.org`. */
  readonly name: string;
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
  return importFrom(path, { ...context, wrappings: [] });
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
      await convert(path, converted, { ...context, driver: format.driver });
      return importFrom(converted, context);
    }
    case "compressed": {
      const unpacked = `${workDirectory}/unpacked`;
      const inner = unwrap(context, { wrapping: "compressed", found: `compressed twice (${format.by})` });
      await unpack(path, unpacked, { ...context, by: format.by });
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

async function unpack(
  from: string,
  to: string,
  context: ImportContext & { readonly by: "gzip" | "xz" | "zstd" },
): Promise<void> {
  const { size } = await stat(from);
  const meter = new ProgressMeter("Converting", {
    message: `unpacking (${context.by})`,
    report: context.report,
    nowMs: context.nowMs,
  });
  let read = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      read += chunk.length;
      meter.update(read, size);
      done(null, chunk);
    },
  });
  // A small file may unpack to an enormous one: stop while there is still room for others.
  let room = await roomIn(context.space);
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      room -= chunk.length;
      if (room >= 0) done(null, chunk);
      else
        done(
          new ImageError("DiskFull", `Cannot unpack ${context.name}: it does not fit in ${context.space.directory}`),
        );
    },
  });
  const source = createReadStream(from, { highWaterMark: 1 << 20 });
  const target = createWriteStream(to);
  try {
    if (context.by === "xz") {
      await requireTools(`unpack ${context.name}`, [{ name: "xz", debianPackage: "xz-utils" }]);
      await unpackXz(source.pipe(counted), { bounded, target, signal: context.signal });
    } else {
      const inflate = context.by === "gzip" ? createGunzip() : createZstdDecompress();
      await pipeline(source, counted, inflate, bounded, target, { signal: context.signal });
    }
  } catch (cause) {
    await rm(to, { force: true });
    context.signal.throwIfAborted();
    if (cause instanceof ImageError || (cause as NodeJS.ErrnoException).syscall !== undefined) throw cause;
    throw unknownFormat(
      context,
      `broken ${context.by} data (${cause instanceof Error ? cause.message : String(cause)})`,
    );
  }
}

async function unpackXz(
  source: NodeJS.ReadableStream,
  { bounded, target, signal }: { bounded: Transform; target: NodeJS.WritableStream; signal: AbortSignal },
): Promise<void> {
  const xz = spawn("xz", ["-dc"], { stdio: ["pipe", "pipe", "pipe"], signal });
  const stderr: Buffer[] = [];
  xz.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  xz.once("error", reject);
  xz.once("close", (code) => {
    if (code === 0) resolve();
    else reject(new Error(Buffer.concat(stderr).toString("utf8").trim() || `xz exit code ${code}`));
  });
  // xz may end before it has read all (broken data): its own message says more than EPIPE.
  const fed = pipeline(source, xz.stdin, { signal }).catch(() => undefined);
  await Promise.all([pipeline(xz.stdout, bounded, target, { signal }), ended]);
  await fed;
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

async function convert(from: string, to: string, context: ImportContext & { readonly driver: string }): Promise<void> {
  const { driver, name, signal, space } = context;
  const action = `convert ${name}`;
  const { size } = await stat(from);
  await requireSpace(action, size, space);
  // A VMDK that was cut short would be converted, with zeros for what is missing. The driver of VHD has no check and refuses it by itself.
  if (driver !== "vpc") await check(from, context);
  const meter = new ProgressMeter("Converting", {
    message: `converting from ${driver} to qcow2`,
    report: context.report,
    nowMs: context.nowMs,
  });
  const roomBytes = await roomIn(space);
  try {
    await qemuImg(["convert", "-p", "-f", driver, "-O", "qcow2", "-o", "compat=1.1", from, to], {
      action,
      signal,
      maxFileBytes: roomBytes,
      onLine: (line) => {
        const percent = /\((\d+\.\d+)\/100%\)/.exec(line)?.[1];
        if (percent !== undefined) meter.update(Math.round(Number(percent) * 100), 10_000);
      },
    });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    // qemu-img has one exit code for all: look.
    await requireSpace(action, 0, space);
    const isFull = await stat(to).then(
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
