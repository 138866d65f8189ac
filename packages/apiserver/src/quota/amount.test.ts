import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { add, formatAmount, parseAmount, zero } from "./amount.ts";

const canonical: readonly (readonly [given: string | number, shown: string])[] = [
  ["0", "0"],
  [3, "3"],
  ["1000", "1k"],
  ["1500m", "1500m"],
  ["0.5", "500m"],
  ["1.5Gi", "1536Mi"],
  ["1024Mi", "1Gi"],
  ["1e3", "1k"],
  ["-2Ki", "-2Ki"],
  ["100u", "1m"],
  ["2000k", "2M"],
];

for (const [given, shown] of canonical)
  test(`${given} is written ${shown}`, () => {
    const amount = parseAmount(given);
    assert.ok(amount !== undefined);
    assert.equal(formatAmount(amount), shown);
  });

test("what is no quantity is undefined", () => {
  for (const wrong of ["", "x", "1 Gi", "1GiB", "--1", "1e999", null, {}, "1".repeat(100)])
    assert.equal(parseAmount(wrong), undefined, JSON.stringify(wrong));
});

test("a sum keeps its unit, and reads back as the same amount", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom("", "m", "k", "Ki", "Mi", "Gi"), (number, unit) => {
      const amount = parseAmount(`${number}${unit}`);
      assert.ok(amount !== undefined);
      assert.deepEqual(parseAmount(formatAmount(add(zero, amount)))?.milli, amount.milli);
    }),
  );
});
