import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as holds, constantFrom, integer, property, record } from "fast-check";
import { decideSchedule } from "./schedule-plan.ts";
import type { ScheduledMachine, ScheduledSnapshot, ScheduleInput } from "./schedule-plan.ts";

const hour = 3_600_000;
/** On every full hour. */
const hourly: ScheduleInput["times"] = {
  next: (afterMs) => (Math.floor(afterMs / hour) + 1) * hour,
  last: (untilMs) => Math.floor(untilMs / hour) * hour,
};
const base: ScheduleInput = {
  nowMs: 10 * hour + 1,
  times: hourly,
  isSuspended: false,
  policy: "Forbid",
  doneUntilMs: 9 * hour,
  machines: [{ name: "web", snapshots: [] }],
  keepTaken: 3,
  keepFailed: 1,
};
const snapshot = (
  atHour: number,
  state: ScheduledSnapshot["state"] = "taken",
  isPinned = false,
): ScheduledSnapshot => ({
  name: `s${atHour}`,
  atMs: atHour * hour,
  state,
  isPinned,
});
const web = (...snapshots: readonly ScheduledSnapshot[]): readonly ScheduledMachine[] => [{ name: "web", snapshots }];

test("what is due is taken once, and then the next moment is waited for", () => {
  const { run, nextMs, missedMs } = decideSchedule(base);
  assert.deepEqual(run, { atMs: 10 * hour, take: ["web"], leftOut: [], replaced: [] });
  assert.equal(missedMs, undefined);
  assert.equal(nextMs, 11 * hour);
  assert.deepEqual(decideSchedule({ ...base, doneUntilMs: 10 * hour }), { prune: [], nextMs: 11 * hour });
});

test("of several moments that nobody was there for the last one is made up for, unless it is too late", () => {
  const late = { ...base, doneUntilMs: 2 * hour, nowMs: 10 * hour + 600_000 };
  assert.equal(decideSchedule(late).run?.atMs, 10 * hour);
  assert.equal(decideSchedule({ ...late, deadlineMs: 600_000 }).run?.atMs, 10 * hour);
  const missed = decideSchedule({ ...late, deadlineMs: 599_999 });
  assert.equal(missed.run, undefined);
  assert.equal(missed.missedMs, 10 * hour);
});

test("while it pauses nothing is taken, and what is too much still goes", () => {
  const machines = web(snapshot(1), snapshot(2), snapshot(3), snapshot(4));
  assert.deepEqual(decideSchedule({ ...base, isSuspended: true, machines }), { prune: ["s1"] });
});

test("a machine that is still busy is left out, gets one more, or has its unfinished one replaced", () => {
  const machines = [...web(snapshot(9, "active")), { name: "db", snapshots: [] }];
  const runOf = (policy: ScheduleInput["policy"]) => decideSchedule({ ...base, machines, policy }).run;
  assert.deepEqual(runOf("Forbid"), { atMs: 10 * hour, take: ["db"], leftOut: ["web"], replaced: [] });
  assert.deepEqual(runOf("Allow"), { atMs: 10 * hour, take: ["web", "db"], leftOut: [], replaced: [] });
  assert.deepEqual(runOf("Replace"), { atMs: 10 * hour, take: ["web", "db"], leftOut: [], replaced: ["s9"] });
});

test("a run that was half done before a crash does not stand in its own way", () => {
  const machines = web(snapshot(10, "active"));
  for (const policy of ["Forbid", "Replace"] as const) {
    assert.deepEqual(decideSchedule({ ...base, machines, policy }).run?.take, ["web"]);
    assert.deepEqual(decideSchedule({ ...base, machines, policy }).run?.replaced, []);
  }
});

test("the oldest go first, each machine and each outcome by itself; pinned ones stay and do not count", () => {
  const machines = [
    ...web(snapshot(1, "taken", true), snapshot(4), snapshot(2), snapshot(5), snapshot(3)),
    { name: "db", snapshots: [snapshot(6, "failed"), snapshot(7, "failed"), snapshot(8, "leaving")] },
  ];
  assert.deepEqual(decideSchedule({ ...base, machines }).prune, ["s2", "s6"]);
  const { keepTaken: _, ...unlimited } = base;
  assert.deepEqual(decideSchedule({ ...unlimited, machines }).prune, ["s6"]);
});

test("whatever the clock does, no moment is dealt with twice and none but the last due one is begun", () => {
  holds(
    property(
      array(record({ stepMs: integer({ min: 1, max: 5 * hour }), deadlineMs: constantFrom(undefined, 60_000, hour) }), {
        maxLength: 40,
      }),
      (steps) => {
        let nowMs = 10 * hour;
        let doneUntilMs = nowMs;
        const begun: number[] = [];
        for (const { stepMs, deadlineMs } of steps) {
          nowMs += stepMs;
          const { run, missedMs, nextMs } = decideSchedule({
            ...base,
            nowMs,
            doneUntilMs,
            ...(deadlineMs === undefined ? {} : { deadlineMs }),
          });
          assert.ok(nextMs !== undefined && nextMs > nowMs);
          if (run !== undefined) {
            assert.equal(missedMs, undefined);
            assert.equal(run.atMs, hourly.last(nowMs));
            assert.ok(nowMs - run.atMs <= (deadlineMs ?? Number.POSITIVE_INFINITY));
            begun.push(run.atMs);
          }
          doneUntilMs = Math.max(doneUntilMs, run?.atMs ?? 0, missedMs ?? 0);
        }
        assert.equal(new Set(begun).size, begun.length);
      },
    ),
  );
});
