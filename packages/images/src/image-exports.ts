// What is made of VMs' disks: files in one directory, each whole or absent. What is unfinished has a name of its own (`.part`) and
// is removed by the next try; a file gets its real name only when it was compared with the disk that it is made of.

import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { exportFormats } from "@vivarium/api";
import type { ExportFormat } from "@vivarium/api";
import { asImageError } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { moveDurably } from "./durable-file.ts";
import { exportDisk } from "./export-disk.ts";
import type { ExportedDisk, ExportProgress, ExportShape } from "./export-disk.ts";
import { digestFile } from "./file-digest.ts";
import { ImageError } from "./image-source.ts";

export interface ExportedFile {
  readonly path: string;
  /** `sha256:` and 64 hex digits of the file's bytes, as they were read again from its final place. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
}

export interface ImageExports {
  /**
   * Makes the file of this id. What an earlier try left is replaced. Throws ImageError; then, and when the signal aborts, nothing is left.
   */
  write(
    id: string,
    source: ExportedDisk,
    options: ExportShape & { readonly signal: AbortSignal; readonly onProgress?: (progress: ExportProgress) => void },
  ): Promise<ExportedFile>;
  /** The file of this id from this byte on. Undefined where it is not here. */
  read(
    id: string,
    options: { readonly format: ExportFormat; readonly fromByte: number; readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: AsyncIterable<Uint8Array>; readonly sizeBytes: number } | undefined>;
  /** Removes the file of this id and what is unfinished of it. Success when there is none. */
  remove(id: string): Promise<void>;
}

const defaultReserveBytes = 1 << 30;
const action = "export the disk";

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
  const fileOf = (id: string, format: ExportFormat): string => join(directory, `${id}.${format}`);
  return {
    async write(id, source, { signal, onProgress, ...shape }) {
      const part = partOf(id);
      const path = fileOf(id, shape.format);
      try {
        await rm(part, { recursive: true, force: true });
        await mkdir(part, { recursive: true, mode: 0o700 });
        const made = await exportDisk(source, {
          part,
          shape,
          space,
          signal,
          ...(onProgress === undefined ? {} : { onProgress }),
        });
        const file = await moveVerified(made.path, path, signal);
        return { ...file, virtualSizeBytes: made.virtualSizeBytes };
      } catch (error) {
        signal.throwIfAborted();
        throw asImageError(action, error);
      } finally {
        await rm(part, { recursive: true, force: true });
      }
    },
    async read(id, { format, fromByte, signal }) {
      const path = fileOf(id, format);
      try {
        const { size } = await stat(path);
        return { sizeBytes: size, bytes: createReadStream(path, { start: fromByte, highWaterMark: 1 << 20, signal }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw asImageError("read the exported file", error);
      }
    },
    async remove(id) {
      for (const path of [partOf(id), ...exportFormats.map((format) => fileOf(id, format))]) {
        await rm(path, { recursive: true, force: true });
      }
    },
  };
}

async function moveVerified(
  from: string,
  path: string,
  signal: AbortSignal,
): Promise<Omit<ExportedFile, "virtualSizeBytes">> {
  const before = await digestOf(from, signal);
  await moveDurably(from, path);
  const after = await digestOf(path, signal);
  if (before !== after) {
    await rm(path, { force: true });
    throw new ImageError("StorageFailed", `Cannot ${action}: ${path} reads as ${after}, expected ${before}`);
  }
  const { size } = await stat(path);
  return { path, digest: after, sizeBytes: size };
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const { sha256 = "" } = await digestFile(path, { algorithms: ["sha256"], signal });
  return `sha256:${sha256}`;
}
