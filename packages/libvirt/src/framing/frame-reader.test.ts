import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { FrameReader } from "./frame-reader.ts";
import { encodeHeader, encodeMessage, headerBytes, maxMessageBytes } from "./message.ts";
import type { Message } from "./message.ts";

const word = fc.integer({ min: 0, max: 0xffffffff });
const message = fc.record(
  {
    program: word,
    version: word,
    procedure: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    type: word,
    serial: word,
    status: word,
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

function frames(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.map((one) => encodeMessage(one, one.payload)));
}

test("messages come out whole and in order however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.nat({ max: 400 }), { minLength: 1 }),
      (sent, sizes) => {
        const bytes = frames(sent);
        const reader = new FrameReader();
        const got: Message[] = [];
        for (let at = 0, index = 0; at < bytes.length; index++) {
          const size = Math.max(1, sizes[index % sizes.length] ?? 1);
          got.push(...reader.push(bytes.subarray(at, at + size)));
          at += size;
        }
        assert.deepEqual(got, sent);
        assert.equal(reader.bufferedBytes, 0);
      },
    ),
  );
});

test("any bytes give messages or a protocol error, and never more than was put in", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
      const reader = new FrameReader();
      let put = 0;
      try {
        for (const chunk of chunks) {
          put += chunk.length;
          reader.push(Buffer.from(chunk));
          assert.ok(reader.bufferedBytes <= put);
        }
      } catch (error) {
        assert.ok(error instanceof LibvirtProtocolError);
      }
    }),
  );
});

test("a length below the header or above the limit is refused at its fourth byte", () => {
  for (const length of [0, headerBytes - 1, maxMessageBytes + 5, 0xffffffff]) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    assert.throws(() => new FrameReader().push(bytes), LibvirtProtocolError);
  }
});

test("a message of the largest length that never comes takes no memory", () => {
  const reader = new FrameReader();
  const before = process.memoryUsage().arrayBuffers;
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32BE(maxMessageBytes + 4);
  assert.deepEqual(reader.push(bytes), []);
  assert.equal(reader.bufferedBytes, headerBytes);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
});

test("a message larger than the daemon takes is not sent", () => {
  const header = { program: 1, version: 1, procedure: 1, type: 0, serial: 1, status: 0 };
  assert.equal(encodeHeader(header, maxMessageBytes - headerBytes + 4).length, headerBytes);
  assert.throws(() => encodeHeader(header, maxMessageBytes - headerBytes + 5), LibvirtProtocolError);
});
