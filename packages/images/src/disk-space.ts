// Room on the cache's file system, and what a full disk or another failure of it means to the caller.

import { statfs } from "node:fs/promises";
import { ImageError } from "./image-source.ts";
import { formatBytes } from "./progress-meter.ts";

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

export interface SpaceGuard {
  readonly directory: string;
  /** Left free for others: a full disk pauses running guests. */
  readonly reserveBytes: number;
}

/** Throws DiskFull when so much more would not fit. */
export async function requireSpace(action: string, neededBytes: number, guard: SpaceGuard): Promise<void> {
  const free = await freeBytes(guard.directory);
  if (neededBytes + guard.reserveBytes <= free) return;
  throw new ImageError(
    "DiskFull",
    `Cannot ${action}: ${formatBytes(free)} free in ${guard.directory}, ` +
      `expected ${formatBytes(neededBytes)} and a reserve of ${formatBytes(guard.reserveBytes)}`,
  );
}

export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** A failed file operation as ImageError; everything else as it is. */
export function asImageError(action: string, error: unknown): unknown {
  if (error instanceof ImageError || !(error instanceof Error)) return error;
  if (isDiskFull(error)) {
    return new ImageError("DiskFull", `Cannot ${action}: no space left on the device`, { cause: error });
  }
  const { syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  return new ImageError("StorageFailed", `Cannot ${action}: ${error.message}`, { cause: error });
}
