import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "@vivarium/runtime";
import { BackgroundTasks } from "./background-tasks.ts";
import type { TaskWork } from "./background-tasks.ts";

const limits = { timeoutMs: 60_000, timeoutError: new Error("too slow") };

function setUp() {
  const clock = new ManualClock();
  const changes: string[] = [];
  const tasks = new BackgroundTasks<string, number>({ clock, onChange: (key) => changes.push(key) });
  const runs: {
    report: (progress: number) => void;
    resolve: (result: string) => void;
    reject: (error: Error) => void;
  }[] = [];
  const work: TaskWork<string, number> = ({ signal, report }) =>
    new Promise((resolve, reject) => {
      runs.push({ report, resolve, reject });
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  return { clock, changes, tasks, runs, work };
}

test("a task that runs is not started again", () => {
  const { tasks, runs, work } = setUp();
  tasks.start("a", work, limits);
  tasks.start("a", work, limits);
  assert.equal(runs.length, 1);
  assert.equal(tasks.state("a").kind, "running");
});

test("its end is told at once, its progress at most once a second", async () => {
  const { clock, changes, tasks, runs, work } = setUp();
  tasks.start("a", work, limits);
  for (let progress = 0; progress < 30; progress++) {
    runs[0]?.report(progress);
    await clock.advance(100);
  }
  assert.equal(changes.length, 2);
  runs[0]?.resolve("done");
  await clock.advance(0);
  assert.equal(changes.length, 3);
  assert.deepEqual(tasks.state("a"), { kind: "done", result: "done" });
  assert.equal(clock.sleepers, 0);
});

test("failures in a row are counted, and the time-out is one", async () => {
  const { clock, tasks, runs, work } = setUp();
  tasks.start("a", work, limits);
  runs[0]?.reject(new Error("no"));
  await clock.advance(0);
  tasks.start("a", work, limits);
  await clock.advance(60_000);
  const state = tasks.state("a");
  assert.ok(state.kind === "failed");
  assert.equal(state.failures, 2);
  assert.equal(state.error, limits.timeoutError);
});

test("a stopped task is forgotten, and its end tells nobody", async () => {
  const { clock, changes, tasks, work } = setUp();
  tasks.start("a", work, limits);
  await tasks.stop("a");
  await clock.advance(0);
  assert.equal(tasks.state("a").kind, "none");
  assert.deepEqual(changes, []);
});
