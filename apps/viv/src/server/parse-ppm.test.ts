import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isProviderError } from "@vivarium/provider";
import { parsePpm } from "./parse-ppm.ts";

test("a picture is its size and its pixels", () => {
  const pixels = [1, 2, 3, 4, 5, 6];
  const picture = parsePpm(Buffer.concat([Buffer.from("P6\n# by QEMU\n2 1\n255\n"), Buffer.from(pixels)]));
  assert.deepEqual([picture.widthPixels, picture.heightPixels, [...picture.rgb]], [2, 1, pixels]);
});

test("pixels that look like white space are pixels", () => {
  assert.deepEqual([...parsePpm(Buffer.from("P6 1 1 255 \n\n\n")).rgb], [10, 10, 10]);
});

test("a cut, long, empty or other file is refused", () => {
  for (const text of [
    "",
    "P6 2 1 255 abc",
    "P6 1 1 255 abcd",
    "P6 0 1 255 ",
    "P5 1 1 255 abc",
    "P6 1 1 65535 abcdef",
  ]) {
    assert.throws(
      () => parsePpm(Buffer.from(text)),
      (error) => isProviderError(error, "Internal"),
      text,
    );
  }
});

test("no bytes make it fail in another way", () => {
  const start = fc.constantFrom("", "P6 ", "P6 1 1 255 ", "P6 99999 99999 255\n");
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 64 }), (text, bytes) => {
      try {
        const { widthPixels, heightPixels, rgb } = parsePpm(Buffer.concat([Buffer.from(text), bytes]));
        assert.equal(rgb.length, widthPixels * heightPixels * 3);
      } catch (error) {
        assert.ok(isProviderError(error, "Internal"));
      }
    }),
  );
});
