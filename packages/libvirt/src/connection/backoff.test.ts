import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Backoff } from "./backoff.ts";

test("waits double up to the limit, and start over after a reset", () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1000, random: () => 0.999999 });
  const rounded = (): number => Math.round(backoff.next());
  assert.deepEqual(
    [rounded(), rounded(), rounded(), rounded(), rounded(), rounded()],
    [100, 200, 400, 800, 1000, 1000],
  );
  backoff.reset();
  assert.equal(rounded(), 100);
});

test("jitter takes at most half of a wait, however many tries have failed", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 2000 }), (random, tries) => {
      const backoff = new Backoff({ initialMs: 100, maxMs: 5000, random: () => random });
      let wait = 0;
      for (let index = 0; index < tries; index++) wait = backoff.next();
      const step = Math.min(5000, 100 * 2 ** Math.min(tries - 1, 60));
      assert.ok(wait >= step / 2 && wait <= step);
    }),
    { numRuns: 50 },
  );
});
