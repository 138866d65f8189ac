import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "@vivarium/runtime";
import type { ReconcileRequest } from "@vivarium/runtime";
import { ObjectTasks } from "./object-tasks.ts";

const web = { namespace: "default", name: "web" };
const limit = { timeoutMs: 60_000, timeoutError: new Error("too slow") };

function untilAborted(signal: AbortSignal): Promise<string> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

test("its end asks for a look at the object", async () => {
  const clock = new ManualClock();
  const tasks = new ObjectTasks<string, never>(clock);
  const woken: ReconcileRequest[] = [];
  tasks.source((request) => woken.push(request), { signal: new AbortController().signal });
  tasks.start(web, () => Promise.resolve("copied"), limit);
  await clock.advance(0);
  assert.deepEqual(woken, [web]);
  assert.deepEqual(tasks.state(web), { kind: "done", result: "copied" });
});

test("objects of the same name in two namespaces have tasks of their own", () => {
  const tasks = new ObjectTasks<string, never>(new ManualClock());
  tasks.start(web, ({ signal }) => untilAborted(signal), limit);
  assert.equal(tasks.state(web).kind, "running");
  assert.equal(tasks.state({ ...web, namespace: "lab" }).kind, "none");
});

test("a task that is stopped is forgotten, and wakes nobody", async () => {
  const clock = new ManualClock();
  const tasks = new ObjectTasks<string, never>(clock);
  const woken: ReconcileRequest[] = [];
  tasks.source((request) => woken.push(request), { signal: new AbortController().signal });
  tasks.start(web, ({ signal }) => untilAborted(signal), limit);
  await tasks.stop(web);
  await clock.advance(0);
  assert.equal(tasks.state(web).kind, "none");
  assert.deepEqual(woken, []);
});

test("no task outlives its controller", async () => {
  const clock = new ManualClock();
  const tasks = new ObjectTasks<string, never>(clock);
  const controller = new AbortController();
  tasks.source(() => assert.fail("It has ended"), { signal: controller.signal });
  let wasAborted = false;
  tasks.start(
    web,
    ({ signal }) => {
      signal.addEventListener("abort", () => (wasAborted = true));
      return untilAborted(signal);
    },
    limit,
  );
  controller.abort();
  await clock.advance(0);
  assert.ok(wasAborted);
});
