// Makes the file of an export out of a copy of a disk: converted, compared with the copy, packed where that is asked for.

import { createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ExportFormat } from "@vivarium/api";
import { freeBytes, requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { detectFormat } from "./image-format.ts";
import { ImageError } from "./image-source.ts";
import { checkPackage } from "./ova/extract-disk.ts";
import type { PackagedMachine } from "./ova/write-descriptor.ts";
import { writePackage } from "./ova/write-package.ts";
import { qcow2Objection } from "./qcow2-header.ts";
import { qemuImg } from "./qemu-img.ts";
import { CommandError } from "./run-command.ts";

export interface ExportProgress {
  readonly step: "Copying" | "Compressing" | "Packing" | "Verifying";
  /** Of this step. */
  readonly percentage: number;
}

/** A qcow2 file that stands on its own. */
export interface ExportedDisk {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number;
}

export interface ExportShape {
  readonly format: ExportFormat;
  /** Told in the descriptor of an OVA. */
  readonly machine: PackagedMachine;
}

interface DiskOptions {
  /** Gets what is made on the way, too; the caller removes it. */
  readonly part: string;
  readonly shape: ExportShape;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ExportProgress) => void;
}

const action = "export the disk";
/** What was left of the room when a file met its limit. */
const fullMarginBytes = 2 ** 20;

type Driver = "qcow2" | "raw" | "vmdk";

const conversions: Readonly<Record<Driver, readonly string[]>> = {
  qcow2: ["-c", "-O", "qcow2", "-o", "compat=1.1"],
  // Holes stay holes.
  raw: ["-O", "raw"],
  // Compressed, and the one kind that an OVF package may have.
  vmdk: ["-O", "vmdk", "-o", "subformat=streamOptimized"],
};

/** Gives the path of the file, which is in `part`. Throws ImageError, or an error of the file system. */
export async function exportDisk(
  source: ExportedDisk,
  options: DiskOptions,
): Promise<{ readonly path: string; readonly virtualSizeBytes: number }> {
  const { part, shape, signal, onProgress } = options;
  const tell = (step: ExportProgress["step"], done: number): void =>
    onProgress?.({ step, percentage: Math.min(100, Math.floor(done * 100)) });
  const disk = join(part, "disk");
  const virtualSizeBytes = await copyDisk(source, { ...options, disk, tell });
  const driver = shape.format === "ova" ? "vmdk" : shape.format;
  const converted = join(part, "converted");
  const run = { ...options, tell };
  if (driver === "raw") await requireSpace(action, await dataBytes(disk, signal), options.space);
  await runQemuImg(["convert", "-p", "-f", "qcow2", ...conversions[driver], disk, converted], {
    ...run,
    step: "Compressing",
    // What it takes of the disk is what it holds, not how long it is.
    ...(driver === "raw" ? { isSparse: true } : {}),
  });
  await runQemuImg(["compare", "-p", "-f", "qcow2", "-F", driver, disk, converted], { ...run, step: "Verifying" });
  await rm(disk);
  if (shape.format !== "ova") return { path: converted, virtualSizeBytes };
  const packed = join(part, "packed.ova");
  await requireSpace(action, (await stat(converted)).size, options.space);
  tell("Packing", 0);
  await writePackage(
    packed,
    { machine: shape.machine, vmdk: converted, virtualSizeBytes },
    { signal, onBytes: (done, total) => tell("Packing", done / Math.max(1, total)) },
  );
  await rm(converted);
  tell("Verifying", 0);
  await checkPackage(packed, {
    name: "the new package",
    signal,
    onBytes: (done, total) => tell("Verifying", done / total),
  });
  return { path: packed, virtualSizeBytes };
}

type Tell = (step: ExportProgress["step"], done: number) => void;

/** Gives the size of the disk as a guest sees it. */
async function copyDisk(
  { bytes, sizeBytes }: ExportedDisk,
  { disk, space, signal, tell }: DiskOptions & { readonly disk: string; readonly tell: Tell },
): Promise<number> {
  // The copy of the disk and, at worst, as much again.
  await requireSpace(action, 2 * sizeBytes, space);
  let copied = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      copied += chunk.byteLength;
      tell("Copying", copied / Math.max(1, sizeBytes));
      yield chunk;
    }
  };
  await pipeline(Readable.from(counted()), createWriteStream(disk, { mode: 0o600 }), { signal });
  if (copied !== sizeBytes) {
    throw new ImageError("Incomplete", `Cannot ${action}: it ended after ${copied} bytes, expected ${sizeBytes}`);
  }
  const format = await detectFormat(disk);
  if (format.kind !== "qcow2") {
    throw new ImageError("UnknownFormat", `Cannot ${action}: the disk's file is ${format.kind}, expected qcow2`);
  }
  const objection = qcow2Objection(format.header);
  if (objection !== undefined) throw new ImageError("UnknownFormat", `Cannot ${action}: ${objection}`);
  return format.header.virtualSizeBytes;
}

/** What a disk holds, uncompressed. */
async function dataBytes(disk: string, signal: AbortSignal): Promise<number> {
  const text = await qemuImg(["measure", "--output=json", "-f", "qcow2", "-O", "qcow2", disk], { action, signal });
  const measured: unknown = JSON.parse(text);
  const required = typeof measured === "object" && measured !== null && "required" in measured && measured.required;
  return typeof required === "number" ? required : 0;
}

async function runQemuImg(
  args: readonly string[],
  {
    space,
    signal,
    tell,
    step,
    isSparse = false,
  }: Pick<DiskOptions, "space" | "signal"> & {
    readonly tell: Tell;
    readonly step: ExportProgress["step"];
    readonly isSparse?: boolean;
  },
): Promise<void> {
  tell(step, 0);
  const maxFileBytes = Math.max(0, (await freeBytes(space.directory)) - space.reserveBytes);
  try {
    await qemuImg(args, {
      action,
      signal,
      ...(isSparse ? {} : { maxFileBytes }),
      onLine: (line) => tell(step, percentOf(line) / 100),
    });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    // qemu-img has one exit code for all: look.
    await requireSpace(action, fullMarginBytes, space);
    throw new ImageError("StorageFailed", `Cannot ${action}: ${cause.message}`, { cause });
  }
}

function percentOf(line: string): number {
  return Number(/\((\d+\.\d+)\/100%\)/.exec(line)?.[1] ?? 0);
}
