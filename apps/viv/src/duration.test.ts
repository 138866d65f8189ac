import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDurationMs } from "./duration.ts";

test("a duration may name several units", () => {
  assert.equal(parseDurationMs("90s"), 90_000);
  assert.equal(parseDurationMs("1h30m"), 5_400_000);
  assert.equal(parseDurationMs("250ms"), 250);
  assert.equal(parseDurationMs("1.5s"), 1_500);
});

test("a bare number is seconds", () => {
  assert.equal(parseDurationMs("30"), 30_000);
});

test("what is no duration is refused", () => {
  for (const text of ["", "s", "5 m", "-1s", "1d", "abc"]) assert.equal(parseDurationMs(text), undefined, text);
});

test("durations are shown in two units at most", () => {
  const shown = [5, 400, 45_000, 192_000, 3_600_000, 18_180_000, 400_000_000].map((ms) => formatDuration(ms));
  assert.deepEqual(shown, ["5ms", "0.4s", "45s", "3m12s", "1h", "5h3m", "4d"]);
});
