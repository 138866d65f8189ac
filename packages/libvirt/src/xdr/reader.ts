// Reads XDR (RFC 4506) from bytes of a peer that is not trusted: every read is checked against what is there.

import { LibvirtProtocolError } from "../errors/protocol-error.ts";

export class XdrReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  int64(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8));
  }

  uint64(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  /** Exact up to 2^53, rounded above; much faster than a bigint. */
  uint64AsNumber(): number {
    const at = this.#take(8);
    return this.#buffer.readUInt32BE(at) * 0x1_0000_0000 + this.#buffer.readUInt32BE(at + 4);
  }

  /** Exact up to 2^53 either side of 0, rounded beyond. */
  int64AsNumber(): number {
    const at = this.#take(8);
    return this.#buffer.readInt32BE(at) * 0x1_0000_0000 + this.#buffer.readUInt32BE(at + 4);
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.#take(8));
  }

  /** A view, not a copy. */
  fixedOpaque(length: number): Buffer {
    const at = this.#take((length + 3) & ~3);
    return this.#buffer.subarray(at, at + length);
  }

  /** A view, not a copy. */
  opaque(): Buffer {
    const length = this.uint32();
    if (length > this.remaining) this.#short(length);
    return this.fixedOpaque(length);
  }

  /** Text in UTF-8, without a view in between: lists of domains are mostly text. */
  text(): string {
    const length = this.uint32();
    if (length > this.remaining) this.#short(length);
    const at = this.#take((length + 3) & ~3);
    return this.#buffer.toString("utf8", at, at + length);
  }

  /** Fixed bytes as hexadecimal digits. */
  hex(length: number): string {
    const at = this.#take((length + 3) & ~3);
    return this.#buffer.toString("hex", at, at + length);
  }

  #take(count: number): number {
    if (count > this.remaining) this.#short(count);
    const at = this.#offset;
    this.#offset += count;
    return at;
  }

  #short(wanted: number): never {
    throw new LibvirtProtocolError(
      `Cannot decode a message of libvirt: ${wanted} bytes wanted at offset ${this.#offset}, ${this.remaining} left`,
    );
  }
}
