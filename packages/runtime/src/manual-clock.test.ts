import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "./manual-clock.ts";

test("time never goes back, though two move it on at once", async () => {
  const clock = new ManualClock(0);
  const far = clock.advance(2_000);
  await Promise.all([clock.advance(250), clock.advance(250), far]);
  assert.equal(clock.now(), 2_000);
});

test("sleepers wake in their order, each at its own time", async () => {
  const clock = new ManualClock(0);
  const woken: [string, number][] = [];
  for (const [name, ms] of [
    ["late", 300],
    ["soon", 100],
  ] as const) {
    void clock.delay(ms).then(() => woken.push([name, clock.now()]));
  }
  await clock.advance(1_000);
  assert.deepEqual(woken, [
    ["soon", 100],
    ["late", 300],
  ]);
});

test("what was to be done after a while is done once then, and not when it was called off", async () => {
  const clock = new ManualClock(0);
  const done: string[] = [];
  clock.after(10, () => done.push("kept"));
  const cancel = clock.after(10, () => done.push("called off"));
  cancel();
  await clock.advance(9);
  assert.deepEqual(done, []);
  await clock.advance(20);
  assert.deepEqual(done, ["kept"]);
  assert.equal(clock.sleepers, 0);
});
