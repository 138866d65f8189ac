// The judge itself: it lets a right history pass and sees each kind of wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory } from "./check-history.ts";
import { recorderId, type Report, type SeenEvent } from "./report.ts";

const one: SeenEvent = { revision: 1, key: "/a", value: "w1", previous: 0 };
const two: SeenEvent = { revision: 2, key: "/a", value: "w2", previous: 1 };
const gone: SeenEvent = { revision: 3, key: "/a", previous: 2 };

const recorded = (...events: SeenEvent[]): Report => ({ type: "seen", id: recorderId, events, bookmark: 0 });
const put = (id: string, at: number, expected?: number): Report => ({
  type: "invoke",
  id,
  at,
  kind: "put",
  key: "/a",
  value: id,
  ...(expected !== undefined && { expected }),
});
const ask = (id: string, at: number, kind: "get" | "delete" | "list"): Report => ({
  type: "invoke",
  id,
  at,
  kind,
  key: "/a",
});
const written = (id: string, at: number, revision: number): Report => ({ type: "written", id, at, revision });
const found = (id: string, at: number, revision: number): Report => ({ type: "found", id, at, revision });

const right: readonly Report[] = [
  put("w1", 10),
  written("w1", 20, 1),
  ask("r1", 21, "get"),
  found("r1", 25, 1),
  put("w2", 30, 1),
  written("w2", 40, 2),
  ask("l1", 41, "list"),
  { type: "listed", id: "l1", at: 45, revision: 2, items: [["/a", 2]] },
  ask("d1", 50, "delete"),
  written("d1", 60, 3),
  ask("r2", 61, "get"),
  found("r2", 65, 0),
  { type: "watch", id: "watch", prefix: "/a", from: 2 },
  { type: "seen", id: "watch", events: [two], bookmark: 2 },
  { type: "seen", id: "watch", events: [gone], bookmark: 3 },
];

function judge(log: Report, reports: readonly Report[] = right): void {
  checkHistory([log, ...reports], { base: 0 });
}

function without(id: string, type: Report["type"], ...instead: Report[]): Report[] {
  return [...right.filter((each) => each.type !== type || !("id" in each) || each.id !== id), ...instead];
}

test("a right history passes, with a write of unknown outcome made or not", () => {
  judge(recorded(one, two, gone));
  judge(recorded(one, two, gone), [...right, put("w9", 70), { type: "uncertain", id: "w9" }]);
  judge(recorded(one, two, gone, { revision: 9, key: "/a", value: "w9", previous: 0 }), [...right, put("w9", 70)]);
});

const wrongs: Readonly<Record<string, () => void>> = {
  "changes out of order": () => judge(recorded(two, one, gone)),
  "a change twice": () => judge(recorded(one, two, two, gone)),
  "an answered write that is missing": () => judge(recorded(one, { ...gone, previous: 1 })),
  "a write that nobody asked for": () =>
    judge(recorded(one, two, gone, { revision: 4, key: "/a", value: "w8", previous: 0 })),
  "a previous value that was not there": () => judge(recorded(one, { ...two, previous: 0 }, gone)),
  "a condition that was not met": () => judge(recorded(one, two, gone), without("w2", "invoke", put("w2", 30, 7))),
  "a refused write that is there": () =>
    judge(recorded(one, two, gone), without("w2", "written", { type: "failed", id: "w2" })),
  "a later write with an earlier revision": () =>
    judge(
      recorded(one, two, gone),
      without("w1", "invoke", put("w1", 55)).map((each) =>
        each.type === "written" && each.id === "w1" ? { ...each, at: 56 } : each,
      ),
    ),
  "a read of what was overwritten before it began": () =>
    judge(recorded(one, two, gone), [...right, ask("r3", 41, "get"), found("r3", 44, 1)]),
  "a read of what was not begun yet": () =>
    judge(recorded(one, two, gone), [...right, ask("r3", 21, "get"), found("r3", 22, 2)]),
  "something absent that was there": () =>
    judge(recorded(one, two), [...right.slice(0, 6), ask("r3", 41, "get"), found("r3", 44, 0)]),
  "a list that is no state": () =>
    judge(
      recorded(one, two, gone),
      without("l1", "listed", { type: "listed", id: "l1", at: 45, revision: 2, items: [["/a", 1]] }),
    ),
  "a list that is too old": () =>
    judge(
      recorded(one, two, gone),
      without("l1", "listed", { type: "listed", id: "l1", at: 45, revision: 1, items: [["/a", 1]] }),
    ),
  "a watch with a hole": () =>
    judge(recorded(one, two, gone), [
      ...right.slice(0, 13),
      { type: "seen", id: "watch", events: [gone], bookmark: 3 },
    ]),
  "a bookmark past a change that was not given": () =>
    judge(recorded(one, two, gone), [...right.slice(0, 13), { type: "seen", id: "watch", events: [two], bookmark: 3 }]),
};

for (const [name, run] of Object.entries(wrongs))
  test(`it sees ${name}`, () => {
    assert.throws(run, assert.AssertionError);
  });
