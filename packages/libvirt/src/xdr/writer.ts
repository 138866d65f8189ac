// Writes XDR (RFC 4506): big endian, everything padded to four bytes.

import { invalidArgument } from "../errors/libvirt-error.ts";

export class XdrWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  int32(value: number): void {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0x7fffffff) {
      throw invalidArgument(`Cannot send ${value}: expected a signed 32-bit integer`);
    }
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
  }

  uint32(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
      throw invalidArgument(`Cannot send ${value}: expected an unsigned 32-bit integer`);
    }
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
  }

  int64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value)
      throw invalidArgument(`Cannot send ${value}: expected a signed 64-bit integer`);
    const at = this.#reserve(8);
    this.#buffer.writeBigInt64BE(value, at);
  }

  uint64(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) {
      throw invalidArgument(`Cannot send ${value}: expected an unsigned 64-bit integer`);
    }
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64BE(value, at);
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleBE(value, at);
  }

  /** Bytes of a length both sides know, padded. */
  fixedOpaque(bytes: Uint8Array): void {
    const padded = (bytes.length + 3) & ~3;
    const at = this.#reserve(padded);
    this.#buffer.set(bytes, at);
    this.#buffer.fill(0, at + bytes.length, at + padded);
  }

  /** Length, then bytes, padded. */
  opaque(bytes: Uint8Array): void {
    this.uint32(bytes.length);
    this.fixedOpaque(bytes);
  }

  /** What was written, as a view that later writes may overwrite. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** May replace the buffer: call it before `this.#buffer` is named in an expression. */
  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }
}
