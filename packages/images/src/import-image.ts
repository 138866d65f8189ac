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
import { ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { qcow2Objection } from "./qcow2-header.ts";
import { CommandError, runCommand } from "./run-command.ts";

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

export async function importImage(path: string, context: ImportContext): Promise<ImportedImage> {
  const format = await detectFormat(path);
  if (format.kind === "compressed") {
    const unpacked = `${context.workDirectory}/unpacked`;
    await unpack(path, unpacked, { ...context, by: format.by });
    return importUnpacked(unpacked, context);
  }
  return importUnpacked(path, context);
}

async function importUnpacked(path: string, context: ImportContext): Promise<ImportedImage> {
  const format = await detectFormat(path);
  switch (format.kind) {
    case "qcow2": {
      const objection = qcow2Objection(format.header);
      if (objection !== undefined) throw new ImageError("UnknownFormat", `Cannot use ${context.name}: ${objection}`);
      await checkQcow2(path, context);
      return { path, format: "qcow2", virtualSizeBytes: format.header.virtualSizeBytes };
    }
    case "raw":
      return { path, format: "raw", virtualSizeBytes: format.sizeBytes };
    case "convertible": {
      const converted = `${context.workDirectory}/converted.qcow2`;
      await convert(path, converted, { ...context, driver: format.driver });
      return importUnpacked(converted, context);
    }
    case "compressed":
      throw unknownFormat(context, `compressed twice (${format.by})`);
    case "unusable":
      throw unknownFormat(context, format.found);
    default:
      throw new TypeError(`Unknown format ${JSON.stringify(format satisfies never)}`);
  }
}

function unknownFormat({ name }: ImportContext, found: string): ImageError {
  return new ImageError(
    "UnknownFormat",
    `Cannot use ${name}: the file is ${found}; expected qcow2, raw, ISO, VMDK, VHDX or VHD, perhaps compressed with gzip, xz or zstd`,
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
  let room = (await freeBytes(context.space.directory)) - context.space.reserveBytes;
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

async function convert(from: string, to: string, context: ImportContext & { readonly driver: string }): Promise<void> {
  await requireTools(`convert ${context.name}`, [{ name: "qemu-img", debianPackage: "qemu-utils" }]);
  await requireSpace(`convert ${context.name}`, (await stat(from)).size, context.space);
  const meter = new ProgressMeter("Converting", {
    message: `converting from ${context.driver} to qcow2`,
    report: context.report,
    nowMs: context.nowMs,
  });
  try {
    await runCommand("qemu-img", ["convert", "-p", "-f", context.driver, "-O", "qcow2", "-o", "compat=1.1", from, to], {
      signal: context.signal,
      onLine: (line) => {
        const percent = /\((\d+\.\d+)\/100%\)/.exec(line)?.[1];
        if (percent !== undefined) meter.update(Math.round(Number(percent) * 100), 10_000);
      },
    });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    await requireSpace(`convert ${context.name}`, 0, context.space); // qemu-img has one exit code for all: look
    throw new ImageError("UnknownFormat", `Cannot use ${context.name}: ${cause.message}`, { cause });
  }
}

/** Only after the header was found to name no other file. An image cut short has clusters beyond its end. */
async function checkQcow2(path: string, context: ImportContext): Promise<void> {
  await requireTools(`check ${context.name}`, [{ name: "qemu-img", debianPackage: "qemu-utils" }]);
  try {
    await runCommand("qemu-img", ["check", "-q", "-f", "qcow2", path], { signal: context.signal });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (cause.exitCode === 3) return; // leaked clusters waste room and harm nothing
    throw new ImageError(
      "UnknownFormat",
      `Cannot use ${context.name}: qemu-img finds the image damaged\n${cause.stderr}`,
      {
        cause,
      },
    );
  }
}
