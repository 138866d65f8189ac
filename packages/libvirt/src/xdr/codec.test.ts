import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isLibvirtError } from "../errors/libvirt-error.ts";
import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { encode } from "../testing/fake-daemon.ts";
import { bigUhyper, bool, chars, hyper, int, list, optional, string, struct, uhyper, uint, uuid } from "./codec.ts";
import type { Codec } from "./codec.ts";
import { XdrReader } from "./reader.ts";

interface Everything {
  int: number;
  uint: number;
  bool: boolean;
  hyper: number;
  uhyper: number;
  big: bigint;
  text: string;
  maybe: string | undefined;
  uuid: string;
  chars: string;
  list: readonly string[];
}

const everything = struct<Everything>({
  int,
  uint,
  bool,
  hyper,
  uhyper,
  big: bigUhyper,
  text: string,
  maybe: optional(string),
  uuid,
  chars: chars(8),
  list: list(string, 10),
});

const noNul = fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !text.includes("\0"));
const anyEverything = fc.record<Everything>({
  int: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  uint: fc.integer({ min: 0, max: 0xffffffff }),
  bool: fc.boolean(),
  hyper: fc.maxSafeInteger(),
  uhyper: fc.maxSafeNat(),
  big: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  text: noNul,
  maybe: fc.option(noNul, { nil: undefined }),
  uuid: fc.uuid(),
  chars: fc.string({ unit: fc.constantFrom("a", "b", "-"), maxLength: 7 }),
  list: fc.array(noNul, { maxLength: 10 }),
});

function isInvalidArgument(error: unknown): boolean {
  return isLibvirtError(error, "INVALID_ARG");
}

test("what is written reads back the same, in words of four bytes", () => {
  fc.assert(
    fc.property(anyEverything, (value) => {
      const bytes = encode(everything, value);
      assert.equal(bytes.length % 4, 0);
      const reader = new XdrReader(bytes);
      const readBack = everything.read(reader);
      // fast-check makes -0, which the wire does not have.
      assert.deepEqual(readBack, { ...value, int: value.int + 0, hyper: value.hyper + 0 });
      assert.equal(reader.remaining, 0);
    }),
  );
});

test("cut bytes are a protocol error at every length", () => {
  const bytes = encode(everything, {
    int: -1,
    uint: 1,
    bool: true,
    hyper: -2,
    uhyper: 2,
    big: 3n,
    text: "text",
    maybe: "maybe",
    uuid: "00112233-4455-6677-8899-aabbccddeeff",
    chars: "x86_64",
    list: ["a", "bc"],
  });
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => everything.read(new XdrReader(bytes.subarray(0, length))), LibvirtProtocolError);
  }
});

test("any bytes read as a value or are a protocol error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        everything.read(new XdrReader(bytes));
      } catch (error) {
        assert.ok(error instanceof LibvirtProtocolError);
      }
    }),
  );
});

test("a count that the bytes cannot hold fails before any element is read", () => {
  let reads = 0;
  const counting: Codec<number> = {
    write: (writer, value) => int.write(writer, value),
    read(reader) {
      reads++;
      return int.read(reader);
    },
  };
  const bytes = Buffer.from("ffffffff00000001", "hex");
  assert.throws(() => list(counting, 0xffffffff).read(new XdrReader(bytes)), LibvirtProtocolError);
  assert.equal(reads, 0);
});

test("values that the protocol cannot carry are refused as invalid arguments", () => {
  assert.throws(() => encode(int, 2 ** 31), isInvalidArgument);
  assert.throws(() => encode(int, 1.5), isInvalidArgument);
  assert.throws(() => encode(uint, -1), isInvalidArgument);
  assert.throws(() => encode(uhyper, -1), isInvalidArgument);
  assert.throws(() => encode(uhyper, Number.NaN), isInvalidArgument);
  assert.throws(() => encode(bigUhyper, 1n << 64n), isInvalidArgument);
  assert.throws(() => encode(string, "a\0b"), isInvalidArgument);
  assert.throws(() => encode(string, "x".repeat(4 * 1024 * 1024 + 1)), isInvalidArgument);
  assert.throws(() => encode(uuid, "not-a-uuid"), isInvalidArgument);
  assert.throws(() => encode(list(int, 1), [1, 2]), isInvalidArgument);
});

test("a UUID reads as lower case with dashes, whatever form it was written in", () => {
  const bytes = encode(uuid, "00112233445566778899AABBCCDDEEFF");
  assert.equal(uuid.read(new XdrReader(bytes)), "00112233-4455-6677-8899-aabbccddeeff");
});
