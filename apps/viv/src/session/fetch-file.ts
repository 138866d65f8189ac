// Fetches a file from the server: whole or not at all. Until it is whole and its digest was read back it has another name (`.part`); it goes
// on where it was when the connection breaks, for a server may be started anew meanwhile.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, statfs } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isStatus } from "@vivarium/api";
import { ConnectionError } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";

export interface FetchedFile {
  readonly sizeBytes: number;
  /** What it takes at least: less than its size where it has holes. */
  readonly roomBytes: number;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  /** What the server has of it from this byte on. */
  readonly open: (fromByte: number) => Promise<AsyncIterable<Uint8Array>>;
}

interface FetchOptions {
  readonly signal: AbortSignal;
  readonly onBytes: (doneBytes: number) => void;
  readonly onTrouble: (error: Error) => void;
}

/** Longest that a server may be away. */
const patienceMs = 120_000;
const retryMs = 1_000;

/** The place of a file that will be fetched: taken before anything is asked for, so that a place that is none is told first. */
export class FilePlace implements AsyncDisposable {
  readonly path: string;
  readonly #part: string;
  readonly #file: FileHandle;

  private constructor(path: string, part: string, file: FileHandle) {
    this.path = path;
    this.#part = part;
    this.#file = file;
  }

  /** What a viv that was killed left there is replaced. */
  static async take(path: string): Promise<FilePlace> {
    const part = `${path}.part`;
    try {
      const there = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      await there?.close();
      if (there !== undefined) throw new CliUserError(`There is a file ${path} already: remove it, or name another.`);
      return new FilePlace(path, part, await open(part, "w", 0o600));
    } catch (error) {
      throw asUserError(`write ${path}`, error);
    }
  }

  async fetch(file: FetchedFile, options: FetchOptions): Promise<void> {
    try {
      await this.#requireRoom(file.roomBytes);
      await this.#write(file, options);
      await this.#file.truncate(file.sizeBytes);
      await this.#file.sync();
      const found = await digestOf(this.#part, options.signal);
      if (found !== file.digest) {
        throw new CliUserError(`Cannot write ${this.path}: it reads as ${found}, expected ${file.digest}.`);
      }
      await rename(this.#part, this.path);
      await syncDirectory(dirname(this.path));
    } catch (error) {
      throw asUserError(`write ${this.path}`, error);
    }
  }

  /** Nothing unfinished stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await rm(this.#part, { force: true });
  }

  async #requireRoom(roomBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.path));
    const free = bavail * bsize;
    if (free >= roomBytes) return;
    throw new CliUserError(
      `Cannot write ${this.path}: ${free} bytes are free there, expected ${roomBytes}; nothing was written.`,
    );
  }

  async #write({ open: openAt, sizeBytes }: FetchedFile, { signal, onBytes, onTrouble }: FetchOptions): Promise<void> {
    let done = 0;
    let brokenSinceMs: number | undefined;
    while (done < sizeBytes) {
      try {
        for await (const chunk of await openAt(done)) {
          signal.throwIfAborted();
          brokenSinceMs = undefined;
          // A hole stays one.
          if (!isZero(chunk)) await writeAll(this.#file, chunk, done);
          done += chunk.byteLength;
          onBytes(done);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!isAway(error)) throw error;
        brokenSinceMs ??= Date.now();
        if (Date.now() - brokenSinceMs > patienceMs) throw error;
        onTrouble(error);
        await delay(retryMs, undefined, { signal });
      }
    }
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written, position + written);
    written += bytesWritten;
  }
}

const zeros = Buffer.alloc(64 * 1024);

function isZero(bytes: Uint8Array): boolean {
  return bytes.byteLength <= zeros.length && zeros.subarray(0, bytes.byteLength).equals(bytes);
}

function isAway(error: unknown): error is Error {
  return error instanceof ConnectionError || isStatus(error, "ServiceUnavailable");
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function asUserError(action: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new CliUserError(`Cannot ${action}: no space left there; what was written of it was removed.`, {
      cause: error,
    });
  }
  if (syscall === undefined || error instanceof ConnectionError) return error;
  return new CliUserError(`Cannot ${action}: ${(error as Error).message}`, { cause: error });
}
