// The audit log as a file: lines are gathered for a moment and written together, without a sync of their own. Writers wait when the disk is
// slower than they are, and changes are refused while it cannot be written at all. A full file is put aside under the time, and only the
// newest of these are kept. After a clean end everything is on disk; a kill loses what the last moment gathered.

import { closeSync, fstatSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StatusError } from "@vivarium/api";
import type { Logger } from "pino";
import type { AuditSink } from "./audit-log.ts";

const gatherMs = 20;
const retryMs = 1_000;
/** Above this much, writers wait. */
const highWaterBytes = 4 * 1024 * 1024;

export interface AuditFileOptions {
  readonly path: string;
  /** A file that is larger is put aside. */
  readonly maxBytes: number;
  /** So many are kept beside the current one. */
  readonly keep: number;
  readonly log: Logger;
  readonly now?: () => Date;
}

export class AuditFile implements AuditSink {
  readonly #options: AuditFileOptions;
  #lines: Uint8Array[] = [];
  #gatheredBytes = 0;
  #file: FileHandle | undefined;
  #size = 0;
  #failure: Error | undefined;
  #writing: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  #room = Promise.withResolvers<void>();
  #isClosing = false;

  /** Throws when the file cannot be opened. */
  constructor(options: AuditFileOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    const file = openSync(options.path, "a", 0o600);
    this.#size = fstatSync(file).size;
    closeSync(file);
  }

  room(): Promise<void> | undefined {
    if (this.#gatheredBytes < highWaterBytes) return undefined;
    if (this.#failure !== undefined) throw this.#refusal(this.#failure);
    return this.#waitForRoom();
  }

  async #waitForRoom(): Promise<void> {
    while (this.#gatheredBytes >= highWaterBytes) {
      if (this.#failure !== undefined) throw this.#refusal(this.#failure);
      await this.#room.promise;
    }
  }

  #refusal(cause: Error): StatusError {
    return new StatusError(
      "ServiceUnavailable",
      `the audit log cannot be written (${cause.message}): nothing is changed until it can be`,
      { details: { retryAfterSeconds: 1 }, cause },
    );
  }

  write(line: Uint8Array): void {
    this.#lines.push(line);
    this.#gatheredBytes += line.length;
    this.#writing ??= this.#drain();
    if (this.#gatheredBytes >= highWaterBytes / 4) this.#wake();
  }

  /** Writes what was gathered, and makes it durable. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#wake();
    await this.#writing;
    await this.#file?.sync();
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Until nothing is left. */
  async #drain(): Promise<void> {
    while (this.#lines.length > 0) {
      if (!this.#isClosing) await this.#moment(gatherMs);
      const gathered = this.#gatheredBytes;
      const bytes = Buffer.concat(this.#lines);
      this.#lines = [];
      await this.#writeAll(bytes);
      this.#gatheredBytes -= gathered;
      this.#letLook();
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      try {
        if (this.#size >= this.#options.maxBytes && written === 0) await this.#rotate();
        this.#file ??= await open(this.#options.path, "a", 0o600);
        const result = await this.#file.write(bytes, written);
        written += result.bytesWritten;
        this.#size += result.bytesWritten;
        this.#failure = undefined;
      } catch (error) {
        const cause = error instanceof Error ? error : new Error(String(error));
        if (this.#failure === undefined) this.#options.log.error({ err: cause }, "the audit log cannot be written");
        this.#failure = cause;
        this.#letLook();
        // Nobody waits for a server that ends.
        if (this.#isClosing) return;
        await this.#moment(retryMs);
      }
    }
  }

  /** Those who wait see how it stands. */
  #letLook(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  async #rotate(): Promise<void> {
    const { path, keep, now = () => new Date() } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const extension = extname(path);
    const stem = basename(path, extension);
    const at = now().toISOString().replaceAll(":", "-").replace("Z", "");
    await rename(path, join(dirname(path), `${stem}-${at}${extension}`));
    this.#size = 0;
    const old = readdirSync(dirname(path))
      .filter((name) => name.startsWith(`${stem}-`) && name.endsWith(extension))
      .toSorted();
    for (const name of old.slice(0, Math.max(0, old.length - keep)))
      await rm(join(dirname(path), name), { force: true });
  }

  /** So long, or until somebody is in a hurry. */
  async #moment(ms: number): Promise<void> {
    const hurry = new AbortController();
    this.#wake = () => hurry.abort();
    await delay(ms, undefined, { signal: hurry.signal }).catch(() => undefined);
    this.#wake = () => undefined;
  }
}
