// The protobuf wire format, reading only: bytes into numbered fields (https://protobuf.dev/programming-guides/encoding/).

export interface WireField {
  readonly number: number;
  /** Varints and fixed numbers as integers, everything else as bytes. */
  readonly value: bigint | Uint8Array;
}

/** Throws RangeError or SyntaxError for bytes that are no message. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;

  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("a protobuf number is cut off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new SyntaxError("a protobuf number has more than 64 bits");
  }

  function take(length: number): Uint8Array {
    if (length < 0 || at + length > bytes.length) throw new RangeError("a protobuf field is cut off");
    const part = bytes.subarray(at, at + length);
    at += length;
    return part;
  }

  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    switch (tag & 7) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: take(8) };
        break;
      case 2:
        yield { number, value: take(Number(varint())) };
        break;
      case 5:
        yield { number, value: take(4) };
        break;
      default:
        throw new SyntaxError(`a protobuf field has the unknown wire type ${tag & 7}`);
    }
  }
}
