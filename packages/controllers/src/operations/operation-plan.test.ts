import assert from "node:assert/strict";
import { test } from "node:test";
import { decideOperation, usualMs, type Track } from "./operation-plan.ts";
import type { WorkView } from "./work-views.ts";

const running: WorkView = { verb: "Start", state: "running", isBeginning: true };
const done: WorkView = { ...running, state: "done" };
const track: Track = { verb: "Start", startMs: 0, isRecorded: true, isOverdue: false };
const base = { track, view: running, isGone: false, nowMs: 10_000, usualMs: undefined };

const decide = (input: Partial<Parameters<typeof decideOperation>[0]>) => decideOperation({ ...base, ...input });

test("work begins where its object says so, and is recorded once it took a second", () => {
  const view = { ...running, startTime: "1970-01-01T00:00:09Z" };
  assert.deepEqual(decide({ track: undefined, view }), {
    kind: "begin",
    track: { verb: "Start", startMs: 9_000, isRecorded: false, isOverdue: false },
  });
  const fresh = { ...track, isRecorded: false };
  assert.deepEqual(decide({ track: fresh, nowMs: 400 }), { kind: "rest", wakeAtMs: 1_000 });
  assert.deepEqual(decide({ track: fresh, nowMs: 1_000 }), { kind: "record" });
  assert.deepEqual(decide({ track: fresh, view: done, nowMs: 400 }), {
    kind: "end",
    phase: "Succeeded",
    isRecordedThen: false,
  });
});

test("what is left out of the record is only watched until it is late, and its end is told", () => {
  const leftOut = { ...track, isRecorded: false, isLeftOut: true };
  assert.deepEqual(decide({ track: leftOut, nowMs: 5_000, usualMs: 10_000 }), { kind: "rest", wakeAtMs: 70_000 });
  assert.deepEqual(decide({ track: leftOut, nowMs: 70_000, usualMs: 10_000 }), { kind: "overdue" });
  assert.deepEqual(decide({ track: leftOut, view: { ...running, state: "failed" }, nowMs: 5_000 }), {
    kind: "end",
    phase: "Failed",
    isRecordedThen: true,
  });
});

test("what is at rest is no work, and one that is not well for a while is not being started", () => {
  assert.deepEqual(decide({ track: undefined, view: done }), { kind: "rest" });
  assert.deepEqual(decide({ track: undefined, view: { ...running, isBeginning: false } }), { kind: "rest" });
  assert.deepEqual(decide({ track: undefined, view: undefined, isGone: true }), { kind: "rest" });
});

test("how it ended is told by the object", () => {
  const phase = (input: Parameters<typeof decide>[0]) => {
    const step = decide(input);
    return step.kind === "end" ? step.phase : step.kind;
  };
  assert.equal(phase({ view: done }), "Succeeded");
  assert.equal(phase({ view: { ...running, state: "failed" } }), "Failed");
  assert.equal(phase({ view: { ...running, verb: "Stop" } }), "Superseded");
  assert.equal(phase({ view: undefined, isGone: true }), "Superseded");
  assert.equal(phase({ track: { ...track, verb: "Delete" }, view: undefined, isGone: true }), "Succeeded");
  assert.equal(phase({ track: { ...track, verb: "Create" }, view: done }), "Succeeded");
});

test("it is overdue at three times the usual, and a minute above it at least; once", () => {
  const at = (usual: number | undefined) => decide({ nowMs: 0, usualMs: usual });
  assert.deepEqual(at(10_000), { kind: "rest", wakeAtMs: 70_000 });
  assert.deepEqual(at(60_000), { kind: "rest", wakeAtMs: 180_000 });
  assert.deepEqual(at(undefined), { kind: "rest", wakeAtMs: 1_800_000 });
  assert.deepEqual(decide({ nowMs: 70_000, usualMs: 10_000 }), { kind: "overdue" });
  assert.deepEqual(decide({ nowMs: 80_000, usualMs: 10_000, track: { ...track, isOverdue: true } }), { kind: "rest" });
});

test("the usual is the median of the newest, with some experience", () => {
  assert.equal(usualMs([1, 2]), undefined);
  assert.equal(usualMs([9, 1, 5]), 5);
  assert.equal(usualMs([...Array.from({ length: 50 }, () => 1), ...Array.from({ length: 20 }, () => 7)]), 7);
});
