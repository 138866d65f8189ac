import assert from "node:assert/strict";
import { it } from "node:test";
import type { ImageProgress } from "./image-source.ts";
import { formatBytes, ProgressMeter } from "./progress-meter.ts";

function newMeter() {
  const seen: ImageProgress[] = [];
  const clock = { nowMs: 0 };
  const meter = new ProgressMeter("Downloading", {
    message: "downloading",
    report: (progress) => seen.push(progress),
    nowMs: () => clock.nowMs,
  });
  return { meter, seen, clock };
}

it("reports at most four times a second, and always the end", () => {
  const { meter, seen, clock } = newMeter();
  for (let bytes = 0; bytes <= 1000; bytes += 1) {
    meter.update(bytes, 1000);
    clock.nowMs += 1;
  }
  assert.equal(seen.length, 5);
  assert.equal(seen.at(-1)?.transferredBytes, 1000);
});

it("says the rate of the last seconds, and how long the rest takes at it", () => {
  const { meter, seen, clock } = newMeter();
  for (let second = 0; second <= 10; second += 1) {
    meter.update(second * 100, 2000);
    clock.nowMs += 1000;
  }
  for (let second = 1; second <= 6; second += 1) {
    meter.update(1000 + second * 10, 2000);
    clock.nowMs += 1000;
  }
  const last = seen.at(-1);
  assert.equal(last?.bytesPerSecond, 10);
  assert.equal(last.etaSeconds, 94);
});

it("says no rate and no end when it cannot know them", () => {
  const { meter, seen, clock } = newMeter();
  meter.update(5, 0);
  clock.nowMs += 1000;
  meter.update(10, 0);
  assert.equal(seen[0]?.bytesPerSecond, 0);
  assert.equal(seen[1]?.etaSeconds, undefined);
});

it("does not take what was there before a resume for speed", () => {
  const { meter, seen, clock } = newMeter();
  meter.update(0, 1000);
  clock.nowMs += 1000;
  meter.say("resuming at 900 bytes", { transferredBytes: 900, totalBytes: 1000 });
  assert.equal(seen.at(-1)?.message, "resuming at 900 bytes");
  assert.equal(seen.at(-1)?.bytesPerSecond, 0);
});

it("writes sizes for people", () => {
  assert.deepEqual([0, 1023, 1536, 300 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes), [
    "0 bytes",
    "1023 bytes",
    "1.5 KiB",
    "300 MiB",
    "1.5 GiB",
  ]);
});
