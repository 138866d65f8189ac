// Copies a file of this host into the cache, so that what happens to it later does not happen to guests made from it.

import { constants, copyFile, open, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { ImageError } from "./image-source.ts";
import { ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { SparseWriter } from "./sparse-writer.ts";

/** Tells two states of a file apart without reading it. */
export interface FileVersion {
  readonly sizeBytes: number;
  readonly modifiedNs: string;
}

const chunkBytes = 4 << 20;

export function sourceFilePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new ImageError("NotFound", `Cannot read ${url}: expected file:/// and an absolute path`, { cause });
  }
}

/** Undefined when there is no such file. */
export async function fileVersion(path: string): Promise<FileVersion | undefined> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return { sizeBytes: Number(size), modifiedNs: String(mtimeNs) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

export async function copySourceFile(
  from: string,
  to: string,
  options: {
    readonly space: SpaceGuard;
    readonly signal: AbortSignal;
    readonly report: ProgressListener;
    readonly nowMs: () => number;
  },
): Promise<FileVersion> {
  const before = await fileVersion(from);
  if (before === undefined) throw new ImageError("NotFound", `Cannot read ${from}: no such file`);
  if (!(await stat(from)).isFile()) throw new ImageError("NotFound", `Cannot read ${from}: it is not a regular file`);
  if (!(await tryReflink(from, to))) {
    await requireSpace(`copy ${from}`, before.sizeBytes, options.space);
    await copyData(from, to, { ...options, sizeBytes: before.sizeBytes });
  }
  const after = await fileVersion(from);
  if (after?.sizeBytes !== before.sizeBytes || after.modifiedNs !== before.modifiedNs) {
    throw new ImageError("Incomplete", `Cannot copy ${from}: it changed while it was read`);
  }
  return before;
}

/** Instant and without using room, on file systems that can (Btrfs, XFS). */
async function tryReflink(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTSUP" || code === "EXDEV" || code === "EINVAL" || code === "ENOTTY" || code === "ENOSYS")
      return false;
    throw error;
  }
}

/** Not copyFile: it can be neither aborted nor watched, and it fills the holes of a sparse image. */
async function copyData(
  from: string,
  to: string,
  options: {
    readonly sizeBytes: number;
    readonly signal: AbortSignal;
    readonly report: ProgressListener;
    readonly nowMs: () => number;
  },
): Promise<void> {
  const meter = new ProgressMeter("Downloading", { message: "copying", report: options.report, nowMs: options.nowMs });
  await using source = await open(from, "r");
  await using target = await open(to, "w", 0o644);
  const writer = new SparseWriter(target);
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    options.signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, writer.sizeBytes);
    if (bytesRead === 0) break;
    await writer.write(buffer.subarray(0, bytesRead));
    meter.update(writer.sizeBytes, options.sizeBytes);
  }
  await writer.end();
}
