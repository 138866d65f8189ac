import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as holds, constantFrom, integer, property } from "fast-check";
import { advanceGate, untriedGate } from "./gate-plan.ts";
import type { GateState, GateThresholds, ProbeOutcome } from "./gate-plan.ts";

const outcome = (kind: ProbeOutcome["kind"]): ProbeOutcome => ({ kind, reason: "Tried", message: kind });

function runs(kinds: string, thresholds: GateThresholds): string {
  const words = { s: "success", f: "failure", u: "unknown" } as const;
  let state = untriedGate(0);
  return kinds
    .split("")
    .map((letter, index) => {
      const kind = words[letter as keyof typeof words];
      state = advanceGate(state, outcome(kind), { thresholds, nowMs: index });
      return state.isMet ? "+" : "-";
    })
    .join("");
}

test("a gate is met after successThreshold successes in a row, and not met after failureThreshold failures in a row", () => {
  const cases: readonly (readonly [string, number, number, string])[] = [
    ["s", 1, 3, "+"],
    ["sffsfff", 1, 3, "++++++-"],
    ["ssfsss", 3, 1, "-----+"],
    ["fffs", 1, 3, "---+"],
    ["sf", 1, 1, "+-"],
  ];
  for (const [kinds, successThreshold, failureThreshold, expected] of cases) {
    assert.equal(runs(kinds, { successThreshold, failureThreshold }), expected, kinds);
  }
});

test("a try that says nothing about the machine changes nothing, and interrupts no row", () => {
  assert.equal(runs("suuuuu", { successThreshold: 1, failureThreshold: 1 }), "++++++");
  assert.equal(runs("uuu", { successThreshold: 1, failureThreshold: 1 }), "---");
  assert.equal(runs("sfufuf", { successThreshold: 1, failureThreshold: 3 }), "+++++-");
});

test("whatever the tries, a gate turns only at the end of a row as long as its threshold, and says since when", () => {
  holds(
    property(
      array(constantFrom("success", "failure", "unknown"), { maxLength: 60 }),
      integer({ min: 1, max: 4 }),
      integer({ min: 1, max: 4 }),
      (kinds, successThreshold, failureThreshold) => {
        const thresholds = { successThreshold, failureThreshold };
        let state: GateState = untriedGate(-1);
        const tries: string[] = [];
        for (const [nowMs, kind] of kinds.entries()) {
          const next = advanceGate(state, outcome(kind), { thresholds, nowMs });
          if (kind !== "unknown") tries.push(kind);
          if (next.isMet === state.isMet) {
            assert.equal(next.sinceMs, state.sinceMs);
          } else {
            const row = next.isMet ? successThreshold : failureThreshold;
            assert.equal(next.sinceMs, nowMs);
            assert.deepEqual(new Set(tries.slice(-row)), new Set([next.isMet ? "success" : "failure"]));
            assert.ok(tries.length >= row);
          }
          state = next;
        }
      },
    ),
  );
});
