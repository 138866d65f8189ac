import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, setCondition } from "./conditions.ts";

const noon = new Date("2026-01-01T12:00:00.123Z");
const later = new Date("2026-01-01T13:00:00Z");
const notReady = { type: "Ready", status: "False", reason: "Creating", message: "" } as const;

test("a new condition gets the time", () => {
  assert.deepEqual(setCondition(undefined, notReady, { now: noon }), [
    { ...notReady, lastTransitionTime: "2026-01-01T12:00:00Z" },
  ]);
});

test("the time stays while the status does, whatever else changes", () => {
  const first = setCondition([], notReady, { now: noon });
  const [second] = setCondition(first, { ...notReady, reason: "Waiting", message: "for the image" }, { now: later });
  assert.equal(second?.reason, "Waiting");
  assert.equal(second?.lastTransitionTime, "2026-01-01T12:00:00Z");
});

test("the time moves when the status does, and other conditions keep their places", () => {
  const first = setCondition(setCondition([], notReady, { now: noon }), { ...notReady, type: "Other" }, { now: noon });
  const second = setCondition(first, { ...notReady, status: "True" }, { now: later });
  assert.deepEqual(
    second.map((each) => each.type),
    ["Ready", "Other"],
  );
  assert.equal(findCondition(second, "Ready")?.lastTransitionTime, "2026-01-01T13:00:00Z");
  assert.equal(findCondition(first, "Ready")?.status, "False", "the given list is not changed");
});

test("a condition that is not there is not found", () => {
  assert.equal(findCondition(undefined, "Ready"), undefined);
});
