import assert from "node:assert/strict";
import { test } from "node:test";
import { isProviderError } from "@vivarium/provider";
import { powerOf } from "./power.ts";

const table: readonly (readonly [number, number, string, string])[] = [
  [1, 1, "running", "booted"],
  [2, 9, "running", "crashed"],
  [3, 1, "paused", "user"],
  [3, 5, "paused", "ioerror"],
  [3, 8, "shutting-down", "shutting-down"],
  [4, 1, "shutting-down", "user"],
  [5, 1, "off", "shutdown"],
  [5, 2, "off", "destroyed"],
  // QEMU died: the domain is off and holds nothing any more.
  [5, 3, "off", "crashed"],
  [5, 6, "off", "failed"],
  [5, 7, "off", "from-snapshot"],
  [5, 99, "off", "reason-99"],
  // The guest panicked and is kept for a look.
  [6, 1, "crashed", "panicked"],
  [7, 0, "suspended", "guest"],
];

for (const [state, reason, power, powerReason] of table) {
  test(`state ${state}, reason ${reason} is "${power}" by "${powerReason}"`, () => {
    assert.deepEqual(powerOf({ state, reason }), { power, powerReason });
  });
}

test("an unknown state is Unavailable, never a guess", () => {
  for (const state of [0, 8]) {
    assert.throws(
      () => powerOf({ state, reason: 0 }),
      (error) => isProviderError(error, "Unavailable"),
    );
  }
});
