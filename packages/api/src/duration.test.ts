import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";
import { InvalidValueError } from "./invalid-value-error.ts";

const table: readonly (readonly [string, number])[] = [
  ["0", 0],
  ["0s", 0],
  ["30s", 30_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["250ms", 250],
  ["1m0.5s", 60_500],
  ["2us", 0.002],
  ["7d", 604_800_000],
  ["1w", 604_800_000],
];
for (const [text, expected] of table) {
  test(`"${text}" is ${expected} ms`, () => assert.equal(parseDuration(text), expected));
}

for (const text of ["", "30", "s", "-1s", "1 h", "1y", "1h 30m", "soon", "."]) {
  test(`"${text}" is refused`, () => assert.throws(() => parseDuration(text), InvalidValueError));
}

test("what is printed is read back", () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (seconds) =>
      assert.equal(parseDuration(formatDuration(seconds * 1000)), seconds * 1000),
    ),
  );
});

test("durations are printed as Go prints them", () => {
  assert.deepEqual([0, 42_000, 3_600_000, 3_900_400, -5].map(formatDuration), ["0s", "42s", "1h0m0s", "1h5m0s", "0s"]);
});
