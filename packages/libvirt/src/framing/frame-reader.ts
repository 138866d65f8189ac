// Cuts a byte stream into messages. Keeps only bytes that have arrived: a length that lies never makes it allocate.

import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { decodeMessage, headerBytes, maxMessageBytes } from "./message.ts";
import type { Message } from "./message.ts";

export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Length of the message that is being received; 0 before its length word is complete. */
  #wanted = 0;

  /** Bytes of an unfinished message. */
  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** Takes the next bytes and gives the messages that they complete. Throws LibvirtProtocolError on a bad length. */
  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const messages: Message[] = [];
    while (this.#hasWholeMessage()) {
      messages.push(decodeMessage(this.#cut(this.#wanted)));
      this.#wanted = 0;
    }
    return messages;
  }

  #hasWholeMessage(): boolean {
    if (this.#wanted === 0) {
      if (this.#buffered < 4) return false;
      this.#wanted = this.#front(4).readUInt32BE(0);
      // libvirt counts the length word out of its limit.
      if (this.#wanted < headerBytes || this.#wanted > maxMessageBytes + 4) {
        throw new LibvirtProtocolError(
          `Cannot read from libvirt: message length ${this.#wanted}, expected ${headerBytes} to ${maxMessageBytes + 4}`,
        );
      }
    }
    return this.#buffered >= this.#wanted;
  }

  /** The first `count` bytes in one piece, left where they are. */
  #front(count: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= count) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #cut(count: number): Buffer {
    const front = this.#front(count);
    const rest = front.subarray(count);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.#buffered -= count;
    return front.subarray(0, count);
  }
}
