// Declares the protocol's structures as values: one small codec per XDR type, and combinators to build structures of them.

import { invalidArgument } from "../errors/libvirt-error.ts";
import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import type { XdrReader } from "./reader.ts";
import type { XdrWriter } from "./writer.ts";

export interface Codec<T> {
  write(writer: XdrWriter, value: T): void;
  read(reader: XdrReader): T;
}

/** REMOTE_STRING_MAX: the daemon closes the connection on a longer one. */
const stringMaxBytes = 4 * 1024 * 1024;

export const int: Codec<number> = {
  write: (writer, value) => writer.int32(value),
  read: (reader) => reader.int32(),
};

export const uint: Codec<number> = {
  write: (writer, value) => writer.uint32(value),
  read: (reader) => reader.uint32(),
};

/** An int that means yes or no. */
export const bool: Codec<boolean> = {
  write: (writer, value) => writer.int32(value ? 1 : 0),
  read: (reader) => reader.int32() !== 0,
};

/** For counters that outgrow 2^53, such as CPU time in nanoseconds. */
export const bigUhyper: Codec<bigint> = {
  write: (writer, value) => writer.uint64(value),
  read: (reader) => reader.uint64(),
};

/** For sizes: exact up to 8 PiB, rounded above. */
export const uhyper: Codec<number> = {
  write: (writer, value) => writer.uint64(toBigInt(value)),
  read: (reader) => reader.uint64AsNumber(),
};

export const hyper: Codec<number> = {
  write: (writer, value) => writer.int64(toBigInt(value)),
  read: (reader) => reader.int64AsNumber(),
};

export const double: Codec<number> = {
  write: (writer, value) => writer.float64(value),
  read: (reader) => reader.float64(),
};

/** Opaque bytes, at most `max` of them. Read as a view of the message. */
export function bytes(max: number): Codec<Uint8Array> {
  return {
    write(writer, value) {
      if (value.length > max) throw invalidArgument(`Cannot send ${value.length} bytes: libvirt takes ${max}`);
      writer.opaque(value);
    },
    read: (reader) => reader.opaque(),
  };
}

export const string: Codec<string> = {
  write(writer, value) {
    const bytes = Buffer.from(value, "utf8");
    if (bytes.length > stringMaxBytes) {
      throw invalidArgument(`Cannot send a string of ${bytes.length} bytes: libvirt takes ${stringMaxBytes}`);
    }
    // The daemon's strings are C strings: it would silently cut the value at the NUL.
    if (bytes.includes(0)) throw invalidArgument("Cannot send a string with a NUL character to libvirt");
    writer.opaque(bytes);
  },
  read: (reader) => reader.text(),
};

/** 16 bytes on the wire, lower-case with dashes here. */
export const uuid: Codec<string> = {
  write(writer, value) {
    const hex = value.replaceAll("-", "");
    if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw invalidArgument(`Cannot send "${value}": expected a UUID`);
    writer.fixedOpaque(Buffer.from(hex, "hex"));
  },
  read(reader) {
    const hex = reader.hex(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};

/** `char name[length]`: XDR spends four bytes on each char. Ends at the first NUL. */
export function chars(length: number): Codec<string> {
  return {
    write(writer, value) {
      const bytes = Buffer.from(value, "utf8");
      if (bytes.length >= length) throw invalidArgument(`Cannot send "${value}": longer than ${length - 1} bytes`);
      for (let index = 0; index < length; index++) writer.int32(bytes[index] ?? 0);
    },
    read(reader) {
      const bytes: number[] = [];
      for (let index = 0; index < length; index++) bytes.push(reader.int32() & 0xff);
      const end = bytes.indexOf(0);
      return Buffer.from(end < 0 ? bytes : bytes.slice(0, end)).toString("utf8");
    },
  };
}

/** `char bytes<max>`: XDR spends four bytes on each char here, too. */
export function charBytes(max: number): Codec<Buffer> {
  return {
    write(writer, value) {
      if (value.length > max) throw invalidArgument(`Cannot send ${value.length} bytes: libvirt takes ${max}`);
      writer.uint32(value.length);
      for (const byte of value) writer.int32((byte << 24) >> 24);
    },
    read(reader) {
      const count = reader.uint32();
      if (count > max || count * 4 > reader.remaining) {
        throw new LibvirtProtocolError(
          `Cannot decode chars of libvirt: ${count} in ${reader.remaining} bytes, at most ${max}`,
        );
      }
      const value = Buffer.alloc(count);
      for (let index = 0; index < count; index++) value[index] = reader.int32() & 0xff;
      return value;
    },
  };
}

/** A pointer that may be NULL. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    write(writer, value) {
      writer.uint32(value === undefined ? 0 : 1);
      if (value !== undefined) codec.write(writer, value);
    },
    read: (reader) => (reader.uint32() === 0 ? undefined : codec.read(reader)),
  };
}

/** A counted array of at most `max` elements. */
export function list<T>(codec: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    write(writer, values) {
      if (values.length > max) throw invalidArgument(`Cannot send ${values.length} elements: libvirt takes ${max}`);
      writer.uint32(values.length);
      for (const value of values) codec.write(writer, value);
    },
    read(reader) {
      const count = reader.uint32();
      // Every element has four bytes or more, so a lying count fails before anything is kept for it.
      if (count > max || count * 4 > reader.remaining) {
        throw new LibvirtProtocolError(
          `Cannot decode a list of libvirt: ${count} elements in ${reader.remaining} bytes, at most ${max}`,
        );
      }
      const values: T[] = [];
      for (let index = 0; index < count; index++) values.push(codec.read(reader));
      return values;
    },
  };
}

/** Fields one after another, in the order in which they are written here. */
export function struct<T extends object>(fields: { readonly [K in keyof T]: Codec<T[K]> }): Codec<T> {
  const entries = Object.entries(fields) as [keyof T, Codec<T[keyof T]>][];
  return {
    write(writer, value) {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
    read(reader) {
      const value = {} as T;
      for (const [name, codec] of entries) value[name] = codec.read(reader);
      return value;
    },
  };
}

/** A structure without fields. */
export const nothing: Codec<object> = struct({});

/** Reads as `codec`, then hands out another form. For results only. */
export function mapped<T, U>(codec: Codec<T>, decode: (value: T) => U): Codec<U> {
  return {
    write: () => {
      throw invalidArgument("Cannot send a structure that is only ever received");
    },
    read: (reader) => decode(codec.read(reader)),
  };
}

function toBigInt(value: number): bigint {
  if (!Number.isInteger(value)) throw invalidArgument(`Cannot send ${value}: expected an integer`);
  return BigInt(value);
}
