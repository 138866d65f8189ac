import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCountOrShare } from "./count-or-share.ts";
import { InvalidValueError } from "./invalid-value-error.ts";

test("counts stand for themselves, shares are rounded as asked", () => {
  assert.equal(parseCountOrShare(2, { of: 10, round: "down" }), 2);
  assert.equal(parseCountOrShare("2", { of: 10, round: "down" }), 2);
  assert.equal(parseCountOrShare("25%", { of: 3, round: "up" }), 1);
  assert.equal(parseCountOrShare("25%", { of: 3, round: "down" }), 0);
  assert.equal(parseCountOrShare("100%", { of: 7, round: "down" }), 7);
});

test("anything else is refused", () => {
  for (const value of ["", "-1", "1.5", "25 %", "101%", "a"]) {
    assert.throws(() => parseCountOrShare(value, { of: 3, round: "up" }), InvalidValueError, value);
  }
});
