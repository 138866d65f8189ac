import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { History } from "./history.ts";

test("it holds the last items in their order, and no more than its limit", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer()),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 10 }),
      (items, limit, count) => {
        const history = new History<number>(limit);
        for (const item of items) history.add(item);
        assert.deepEqual(history.last(), items.slice(-limit));
        assert.deepEqual(history.last(count), items.slice(-Math.min(limit, count)));
      },
    ),
  );
});
