import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { overlapLength } from "./overlap.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("what both recordings have is counted once", () => {
  assert.equal(overlapLength(bytes("booting kernel"), bytes("kernel ready")), 6);
  assert.equal(overlapLength(bytes("booting "), bytes("kernel")), 0);
  assert.equal(overlapLength(bytes("abc"), bytes("abc")), 3);
  assert.equal(overlapLength(bytes(""), bytes("abc")), 0);
});

test("two overlapping pieces of one stream join to a stream that ends alike", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), fc.nat(40), (stream, a, b) => {
      const [start, end] = [Math.min(a, b, stream.length), Math.min(Math.max(a, b), stream.length)];
      const log = stream.subarray(0, end);
      const next = stream.subarray(start);
      const joined = Buffer.concat([log, next.subarray(overlapLength(log, next))]);
      assert.ok(joined.length <= log.length + next.length - (end - start));
      assert.ok(Buffer.from(stream).subarray(-1).equals(joined.subarray(-1)));
    }),
  );
});
