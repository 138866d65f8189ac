// Where the bytes of current values lie: one after the other in big slabs. A buffer of its own for each value would weigh some hundred bytes
// more, and the memory between them, which requests leave behind, could not be given back. Bytes in a slab never change; a slab of
// which little is still current is emptied into the open one.

import type { KeyValue } from "../store.ts";

const slabBytes = 1024 * 1024;
/** Larger values have a slab of their own. */
const maxSharedBytes = slabBytes / 8;

interface Slab {
  readonly bytes: Buffer;
  /** What was put there and may still be current. */
  readonly values: SlabValue[];
  usedBytes: number;
  currentBytes: number;
}

type Revisions = Pick<KeyValue, "createRevision" | "modRevision" | "version">;

/** A KeyValue whose bytes lie in a slab; they may move to another one, the value stays the same. */
export class SlabValue implements KeyValue {
  readonly key: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  #slab: Slab;
  #at: number;
  readonly #length: number;

  constructor(key: string, { createRevision, modRevision, version }: Revisions, place: SlabPlace) {
    this.key = key;
    this.createRevision = createRevision;
    this.modRevision = modRevision;
    this.version = version;
    this.#slab = place.slab;
    this.#at = place.at;
    this.#length = place.length;
  }

  /** A view, made when it is asked for: held for each value it would weigh more than the rest. */
  get value(): Uint8Array {
    return this.#slab.bytes.subarray(this.#at, this.#at + this.#length);
  }

  get slab(): Slab {
    return this.#slab;
  }

  get length(): number {
    return this.#length;
  }

  moveTo({ slab, at }: SlabPlace): void {
    this.#slab = slab;
    this.#at = at;
  }
}

interface SlabPlace {
  readonly slab: Slab;
  readonly at: number;
  readonly length: number;
}

export class ValueSlabs {
  #open = newSlab(slabBytes);

  /** Copies the bytes. The value counts as current from `hold` until `release`. */
  keep({ key, value, ...revisions }: KeyValue): SlabValue {
    return new SlabValue(key, revisions, this.#place(value));
  }

  hold(value: SlabValue): void {
    value.slab.values.push(value);
    value.slab.currentBytes += value.length;
  }

  /** `isCurrent`: of what is left in the slab. */
  release(value: SlabValue, isCurrent: (other: SlabValue) => boolean): void {
    const { slab } = value;
    slab.currentBytes -= value.length;
    if (slab === this.#open || slab.currentBytes * 2 > slab.usedBytes) return;
    for (const each of slab.values.splice(0)) {
      if (each.slab !== slab || !isCurrent(each)) continue;
      slab.currentBytes -= each.length;
      each.moveTo(this.#place(each.value));
      this.hold(each);
    }
  }

  #place(value: Uint8Array): SlabPlace {
    const { length } = value;
    const slab = length > maxSharedBytes ? newSlab(length) : this.#slabFor(length);
    const at = slab.usedBytes;
    slab.bytes.set(value, at);
    slab.usedBytes += length;
    return { slab, at, length };
  }

  #slabFor(length: number): Slab {
    if (this.#open.usedBytes + length > slabBytes) this.#open = newSlab(slabBytes);
    return this.#open;
  }
}

function newSlab(bytes: number): Slab {
  return { bytes: Buffer.allocUnsafeSlow(bytes), values: [], usedBytes: 0, currentBytes: 0 };
}
