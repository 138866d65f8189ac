// Images made of VMs' disks: compressed files in one directory, each whole or absent. What is unfinished has a name of its own (`.part`) and
// is removed by the next try; a file gets its real name only when it was compared with the disk that it is made of.

import { createWriteStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asImageError, freeBytes, requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { moveDurably } from "./durable-file.ts";
import { digestFile } from "./file-digest.ts";
import { detectFormat } from "./image-format.ts";
import { ImageError } from "./image-source.ts";
import { qcow2Objection } from "./qcow2-header.ts";
import { qemuImg } from "./qemu-img.ts";
import { CommandError } from "./run-command.ts";

export interface ExportedFile {
  readonly path: string;
  /** `sha256:` and 64 hex digits of the file's bytes, as they were read again from its final place. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
}

export interface ExportProgress {
  readonly step: "Copying" | "Compressing" | "Verifying";
  /** Of this step. */
  readonly percentage: number;
}

export interface ImageExports {
  /**
   * Makes the file of this id out of a qcow2 file that stands on its own. What an earlier try left is replaced. Throws ImageError; then, and
   * when the signal aborts, nothing is left.
   */
  write(
    id: string,
    source: { readonly bytes: AsyncIterable<Uint8Array>; readonly sizeBytes: number },
    options: { readonly signal: AbortSignal; readonly onProgress?: (progress: ExportProgress) => void },
  ): Promise<ExportedFile>;
  /** Removes the file of this id and what is unfinished of it. Success when there is none. */
  remove(id: string): Promise<void>;
}

const defaultReserveBytes = 1 << 30;

export function createImageExports({
  directory,
  reserveBytes = defaultReserveBytes,
}: {
  /** Made when absent. Of one process at a time. */
  readonly directory: string;
  /** Room to leave on the file system. */
  readonly reserveBytes?: number;
}): ImageExports {
  const space: SpaceGuard = { directory, reserveBytes };
  const partOf = (id: string): string => join(directory, `${id}.part`);
  const fileOf = (id: string): string => join(directory, `${id}.qcow2`);
  return {
    async write(id, source, options) {
      const part = partOf(id);
      try {
        await rm(part, { recursive: true, force: true });
        await mkdir(part, { recursive: true, mode: 0o700 });
        return await make(source, { part, path: fileOf(id), space, ...options });
      } catch (error) {
        options.signal.throwIfAborted();
        throw asImageError("export the disk", error);
      } finally {
        await rm(part, { recursive: true, force: true });
      }
    },
    async remove(id) {
      for (const path of [partOf(id), fileOf(id)]) await rm(path, { recursive: true, force: true });
    },
  };
}

interface MakeOptions {
  readonly part: string;
  readonly path: string;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ExportProgress) => void;
}

async function make(
  { bytes, sizeBytes }: { readonly bytes: AsyncIterable<Uint8Array>; readonly sizeBytes: number },
  { part, path, space, signal, onProgress }: MakeOptions,
): Promise<ExportedFile> {
  const action = "export the disk";
  const disk = join(part, "disk");
  const compressed = join(part, "compressed");
  const tell = (step: ExportProgress["step"], done: number): void =>
    onProgress?.({ step, percentage: Math.min(100, Math.floor(done * 100)) });
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
  const run = async (args: readonly string[], step: ExportProgress["step"]): Promise<void> => {
    const maxFileBytes = Math.max(0, (await freeBytes(space.directory)) - space.reserveBytes);
    try {
      await qemuImg(args, { action, signal, maxFileBytes, onLine: (line) => tell(step, percentOf(line) / 100) });
    } catch (cause) {
      if (!(cause instanceof CommandError)) throw cause;
      await requireSpace(action, 0, space);
      throw new ImageError("StorageFailed", `Cannot ${action}: ${cause.message}`, { cause });
    }
  };
  tell("Compressing", 0);
  await run(["convert", "-p", "-c", "-f", "qcow2", "-O", "qcow2", "-o", "compat=1.1", disk, compressed], "Compressing");
  tell("Verifying", 0);
  await run(["compare", "-p", "-f", "qcow2", "-F", "qcow2", disk, compressed], "Verifying");
  const before = await digestOf(compressed, signal);
  await moveDurably(compressed, path);
  const after = await digestOf(path, signal);
  if (before !== after) {
    await rm(path, { force: true });
    throw new ImageError("StorageFailed", `Cannot ${action}: ${path} reads as ${after}, expected ${before}`);
  }
  const { size } = await stat(path);
  return { path, digest: after, sizeBytes: size, virtualSizeBytes: format.header.virtualSizeBytes };
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const { sha256 = "" } = await digestFile(path, { algorithms: ["sha256"], signal });
  return `sha256:${sha256}`;
}

function percentOf(line: string): number {
  return Number(/\((\d+\.\d+)\/100%\)/.exec(line)?.[1] ?? 0);
}
