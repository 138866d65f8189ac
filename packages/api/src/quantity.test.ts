import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InvalidValueError } from "./invalid-value-error.ts";
import { formatQuantity, parseQuantity, roundQuantity } from "./quantity.ts";

const table: readonly (readonly [string | number, number])[] = [
  [0, 0],
  [1073741824, 1073741824],
  ["128", 128],
  ["4Gi", 4 * 2 ** 30],
  ["1.5Gi", 1.5 * 2 ** 30],
  [".5Ki", 512],
  ["5.", 5],
  ["1k", 1000],
  ["1M", 1_000_000],
  ["2T", 2e12],
  ["1e3", 1000],
  ["1E3", 1000],
  ["12e-1", 2],
  ["100m", 1],
  ["1500m", 2],
  ["1n", 1],
  ["+7", 7],
  ["-1Ki", -1024],
  ["-0", 0],
  ["0.1Gi", 107374183],
];

for (const [text, expected] of table) {
  test(`${JSON.stringify(text)} is ${expected}`, () => assert.equal(parseQuantity(text), expected));
}

for (const text of [
  "",
  "Gi",
  "4GiB",
  "4 Gi",
  "0x10",
  "1e",
  "one",
  "1,5Gi",
  "9007199254740992",
  "1E",
  "8Ei",
  "1e999999999",
  1.5e300,
]) {
  test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => parseQuantity(text), InvalidValueError));
}

test("whole bytes are read exactly, whatever the unit they are written in", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      assert.equal(parseQuantity(bytes), bytes);
      assert.equal(parseQuantity(String(bytes)), bytes);
      assert.equal(parseQuantity(formatQuantity(bytes)), bytes);
    }),
  );
});

test("a binary unit is a factor of 1024", () => {
  const units = ["", "Ki", "Mi", "Gi", "Ti"];
  fc.assert(
    fc.property(fc.nat(8000), fc.nat(units.length - 1), (amount, power) => {
      assert.equal(parseQuantity(`${amount}${units[power]}`), amount * 1024 ** power);
    }),
  );
});

test("bytes are written in the largest unit that is exact", () => {
  assert.deepEqual([0, 1000, 1024, 1536 * 2 ** 20, 4 * 2 ** 30].map(formatQuantity), [
    "0",
    "1000",
    "1Ki",
    "1536Mi",
    "4Gi",
  ]);
});

for (const [bytes, expected] of [
  [0, "0"],
  [1023, "1023"],
  [2 ** 30, "1Gi"],
  [16_444_956_672, "15.3Gi"],
  [500 * 2 ** 30 + 1, "500Gi"],
  [-3 * 2 ** 29, "-1.5Gi"],
] as const) {
  test(`${bytes} bytes are ${expected} to people`, () => assert.equal(roundQuantity(bytes), expected));
}
