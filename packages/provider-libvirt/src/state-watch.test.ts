import assert from "node:assert/strict";
import { test } from "node:test";
import { changedBetween } from "./state-watch.ts";

test("a domain that came, went or changed its state or reason is told, and no other", () => {
  const before = new Map([
    ["same", "1/1"],
    ["gone", "1/1"],
    ["stopped", "1/1"],
    ["crashed-after-shutdown", "5/1"],
  ]);
  const now = new Map([
    ["same", "1/1"],
    ["stopped", "5/2"],
    ["crashed-after-shutdown", "5/3"],
    ["new", "5/0"],
  ]);
  assert.deepEqual([...changedBetween(before, now)].toSorted(), ["crashed-after-shutdown", "gone", "new", "stopped"]);
  assert.deepEqual(changedBetween(now, now), []);
});
