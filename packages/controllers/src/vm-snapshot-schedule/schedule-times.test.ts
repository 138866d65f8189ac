import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidValueError } from "@vivarium/api";
import { scheduleTimes } from "./schedule-times.ts";

const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
const anchorMs = at("2026-01-01T00:10:00Z");

test("the moments are those of the time zone, also where the clock is changed", () => {
  const berlin = scheduleTimes("30 2 * * *", { timeZone: "Europe/Berlin", anchorMs });
  assert.equal(iso(berlin.next(at("2026-01-10T00:00:00Z"))), "2026-01-10T01:30:00.000Z");
  assert.equal(iso(berlin.next(at("2026-07-10T00:00:00Z"))), "2026-07-10T00:30:00.000Z");
  // 02:30 is left out on 29 March and comes twice on 25 October.
  assert.equal(iso(berlin.next(at("2026-03-28T12:00:00Z"))), "2026-03-29T01:00:00.000Z");
  const october = berlin.next(at("2026-10-24T12:00:00Z")) ?? 0;
  assert.equal(iso(october), "2026-10-25T00:30:00.000Z");
  assert.equal(iso(berlin.next(october)), "2026-10-26T01:30:00.000Z");
});

test("a moment is its own last one, and not its own next one", () => {
  const times = scheduleTimes("0 3 * * MON-FRI", { timeZone: "UTC", anchorMs });
  const monday = at("2026-03-30T03:00:00Z");
  assert.equal(iso(times.last(monday)), "2026-03-30T03:00:00.000Z");
  assert.equal(iso(times.last(monday - 1)), "2026-03-27T03:00:00.000Z");
  assert.equal(iso(times.next(monday)), "2026-03-31T03:00:00.000Z");
});

test("@every counts from the beginning, which is none of its moments", () => {
  const times = scheduleTimes("@every 6h", { timeZone: "UTC", anchorMs });
  assert.equal(times.last(anchorMs), undefined);
  assert.equal(iso(times.next(anchorMs - 1)), "2026-01-01T06:10:00.000Z");
  assert.equal(iso(times.last(anchorMs + 13 * 3_600_000)), "2026-01-01T12:10:00.000Z");
  assert.equal(iso(times.next(anchorMs + 12 * 3_600_000)), "2026-01-01T18:10:00.000Z");
});

test("what cannot be meant is refused, and what never comes is never", () => {
  for (const [schedule, timeZone, pattern] of [
    ["61 * * * *", "UTC", /minute: 61/],
    ["* * * * * *", "UTC", /exactly 5 parts/],
    ["often", "UTC", /Cannot read schedule "often"/],
    ["@every 5s", "UTC", /at least a minute/],
    ["@every soon", "UTC", /Cannot read duration/],
    ["@reboot", "UTC", /not supported/],
    ["@daily", "Europe/Atlantis", /no time zone "Europe\/Atlantis"/],
  ] as const) {
    assert.throws(
      () => scheduleTimes(schedule, { timeZone, anchorMs }),
      (error: unknown) => error instanceof InvalidValueError && pattern.test(error.message),
    );
  }
  assert.equal(scheduleTimes("30 2 30 2 *", { timeZone: "UTC", anchorMs }).next(anchorMs), undefined);
});
