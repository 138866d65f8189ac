// A file as the source of an upload. Its buffers are used again: fresh ones cost as much processor time as the sending itself.

import { open } from "node:fs/promises";

const partBytes = 1024 * 1024;
/** One is being sent, one is being read, and one is between the two. */
const buffers = 3;

/**
 * The bytes of a file, in order. A part is good until the next but one is asked for. An upload has sent a part before it asks so far
 * ahead; who keeps parts, or looks further ahead as `sparseParts` does, would find other bytes in them.
 */
export class FileParts implements AsyncIterable<Uint8Array> {
  /** Keeps it out of where its parts would be kept. */
  readonly reusesBuffers = true;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    await using file = await open(this.#path);
    const parts = Array.from({ length: buffers }, () => Buffer.allocUnsafeSlow(partBytes));
    for (let count = 0; ; count++) {
      const part = parts[count % buffers] ?? Buffer.alloc(0);
      // Full but for the last one: small parts could pile up unsent.
      let filled = 0;
      while (filled < part.length) {
        const { bytesRead } = await file.read(part, filled, part.length - filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled > 0) yield part.subarray(0, filled);
      if (filled < part.length) return;
    }
  }
}
