// Writes a disk's bytes one after the other, with holes where they are zeros: what a disk never used takes no room.

import type { FileHandle } from "node:fs/promises";

/** As large as what file systems and qcow2 hand out. */
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

export class SparseWriter {
  readonly #file: FileHandle;
  #position = 0;
  #written = 0;

  /** The file is empty. */
  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** All that came so far. */
  get sizeBytes(): number {
    return this.#position;
  }

  /** What of it takes room. */
  get writtenBytes(): number {
    return this.#written;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length;) {
      const end = Math.min(chunk.length, start + blockBytes - (this.#position % blockBytes));
      const block = chunk.subarray(start, end);
      if (!zeros.subarray(0, block.length).equals(block)) await this.#writeAt(block);
      this.#position += block.length;
      start = end;
    }
  }

  /** The file gets its length: a hole at its end is part of it. */
  async end(): Promise<void> {
    await this.#file.truncate(this.#position);
  }

  async #writeAt(block: Uint8Array): Promise<void> {
    for (let done = 0; done < block.length;) {
      const { bytesWritten } = await this.#file.write(block, done, block.length - done, this.#position + done);
      done += bytesWritten;
    }
    this.#written += block.length;
  }
}
