import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { classifyStop, recordStop, startDelayMs } from "./stop.ts";
import type { StopInput } from "./stop.ts";

const nowMs = 1_000_000_000;
const base: StopInput = {
  nowMs,
  power: "On",
  record: { stops: 0, runningSinceMs: nowMs - 60_000 },
  found: { power: "off", reason: "shutdown" },
};
const asked = { stops: 0, runningSinceMs: nowMs - 60_000, shutdownRequestedAtMs: nowMs - 5_000 };

const rows: readonly (readonly [string, Partial<StopInput>, string])[] = [
  ["a guest that powers off unasked", {}, "Guest"],
  ["a plug pulled by others", { found: { power: "off", reason: "destroyed" } }, "External"],
  ["a crash", { found: { power: "off", reason: "crashed" } }, "Crashed"],
  ["a domain kept for its core", { found: { power: "crashed", reason: "unknown" } }, "Crashed"],
  ["a domain that somebody undefined", { found: { power: "absent", reason: "undefined" } }, "External"],
  ["a guest that follows our request", { record: asked }, "Graceful"],
  ["the plug pulled after the deadline", { record: asked, found: { power: "off", reason: "destroyed" } }, "Forced"],
  ["Off", { power: "Off", found: { power: "off", reason: "destroyed" } }, "Forced"],
  [
    "a boot cut short",
    { record: { ...base.record, bootRetry: "wanted" }, found: { power: "off", reason: "destroyed" } },
    "BootRetry",
  ],
  ["memory saved as asked", { power: "Suspended", found: { power: "off", reason: "saved" } }, "Suspended"],
  ["memory saved by others", { found: { power: "off", reason: "saved" } }, "External"],
  ["a host that was rebooted", { found: { power: "off", reason: "unknown" } }, "External"],
];

describe("classifyStop", () => {
  for (const [rule, change, method] of rows) {
    test(`${rule} is ${method}`, () => assert.equal(classifyStop({ ...base, ...change }).method, method));
  }
});

describe("recordStop", () => {
  test("an unexpected stop waits before the next start, longer each time", () => {
    const first = recordStop(base);
    assert.equal(first.stops, 1);
    assert.equal(first.nextStartMs, nowMs + 3_000);
    const second = recordStop({ ...base, record: { ...first, runningSinceMs: nowMs - 1_000 } });
    assert.equal(second.nextStartMs, nowMs + 6_000);
  });

  test("ten minutes without a stop make the next one the first", () => {
    const record = { stops: 7, runningSinceMs: nowMs - 600_000 };
    assert.equal(recordStop({ ...base, record }).stops, 1);
  });

  test("a stop that was asked for waits for nothing", () => {
    const record = recordStop({ ...base, power: "OffGraceful", record: asked });
    assert.equal(record.nextStartMs, undefined);
    assert.equal(record.shutdownRequestedAtMs, undefined);
  });

  test("a restart remembers for which request the VM was stopped", () => {
    const record = recordStop({ ...base, record: asked, restartRequest: "a" });
    assert.equal(record.restartStoppedFor, "a");
    assert.equal(record.nextStartMs, undefined);
  });

  test("a boot is retried once: the mark stays through its own stop and goes with the next", () => {
    const retried = recordStop({
      ...base,
      record: { ...base.record, bootRetry: "wanted" },
      found: { power: "off", reason: "destroyed" },
    });
    assert.equal(retried.bootRetry, "done");
    assert.equal(retried.nextStartMs, undefined);
    assert.equal(recordStop({ ...base, record: { ...retried, runningSinceMs: nowMs } }).bootRetry, undefined);
  });

  test("the wait is never longer than five minutes", () => {
    assert.deepEqual([1, 2, 3, 8, 1_000].map(startDelayMs), [3_000, 6_000, 12_000, 300_000, 300_000]);
  });
});
