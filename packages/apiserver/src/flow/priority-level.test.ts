import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { isStatus } from "@vivarium/api";
import * as fc from "fast-check";
import { PriorityLevel, type FlowLimits, type RejectReason, type Release } from "./priority-level.ts";

function open(limits: Partial<FlowLimits> = {}): {
  level: PriorityLevel;
  rejected: RejectReason[];
  admit: (flow: string, signal?: AbortSignal) => Promise<Release>;
} {
  const rejected: RejectReason[] = [];
  const all = { maxExecuting: 2, maxQueuedPerFlow: 2, maxQueued: 5, maxWaitMs: 1000, ...limits };
  const level = new PriorityLevel("test", { limits: all, onReject: (reason) => rejected.push(reason) });
  const gone = new AbortController().signal;
  return { level, rejected, admit: async (flow, signal = gone) => level.admit(flow, () => signal) };
}

const isTooMany = (error: unknown): boolean =>
  isStatus(error, "TooManyRequests") && error.details.retryAfterSeconds === 1;

test("as many run as may; the next waits for a turn", async () => {
  const { level, admit } = open();
  const first = await admit("a");
  await admit("a");
  const third = admit("a");
  assert.deepEqual([level.executing, level.waiting], [2, 1]);
  first();
  first();
  await third;
  assert.deepEqual([level.executing, level.waiting], [2, 0]);
});

test("a turn goes to the flow with the fewest running, whoever asked first", async () => {
  const { admit } = open();
  const order: string[] = [];
  const running = [await admit("greedy"), await admit("greedy")];
  const wait = async (flow: string): Promise<Release> => {
    const release = await admit(flow);
    order.push(flow);
    return release;
  };
  const waiting = [wait("greedy"), wait("greedy"), wait("modest")];
  running[0]?.();
  (await waiting[2])?.();
  await waiting[0];
  running[1]?.();
  await waiting[1];
  assert.deepEqual(order, ["modest", "greedy", "greedy"]);
});

test("what fits into no queue is refused at once, and the other flows' places stay", async () => {
  const { admit, rejected, level } = open();
  const first = await admit("a");
  await admit("a");
  const waiting = [admit("a"), admit("a")];
  await assert.rejects(admit("a"), isTooMany);
  const other = admit("b");
  assert.deepEqual(rejected, ["queue-full"]);
  first();
  await Promise.race([other, ...waiting]);
  assert.equal(level.executing, 2);
});

test("who waited too long is refused", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { admit, rejected, level } = open({ maxExecuting: 1 });
    await admit("a");
    const late = assert.rejects(admit("b"), isTooMany);
    mock.timers.tick(1000);
    await late;
    assert.deepEqual([rejected, level.waiting], [["time-out"], 0]);
  } finally {
    mock.timers.reset();
  }
});

test("who goes away while he waits takes no turn", async () => {
  const { admit, level } = open({ maxExecuting: 1 });
  const first = await admit("a");
  const end = new AbortController();
  const left = assert.rejects(admit("b", end.signal), { name: "AbortError" });
  end.abort();
  await left;
  first();
  assert.deepEqual([level.executing, level.waiting], [0, 0]);
});

test("in any history no more run than may, every turn is given back, and nobody waits while there is room", async () => {
  const step = fc.record({ flow: fc.constantFrom("a", "b", "c"), releases: fc.nat(3) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { level, admit } = open({ maxExecuting: 3, maxQueued: 4 });
      const running: Release[] = [];
      let refused = 0;
      const settled: Promise<void>[] = [];
      for (const { flow, releases } of steps) {
        settled.push(
          admit(flow).then(
            (release) => void running.push(release),
            () => void refused++,
          ),
        );
        for (let index = 0; index < releases; index++) running.shift()?.();
        await Promise.resolve();
        assert.ok(level.executing <= 3 && level.waiting <= 4);
        assert.ok(level.waiting === 0 || level.executing === 3);
      }
      while (level.executing > 0) {
        running.shift()?.();
        await Promise.resolve();
        await Promise.resolve();
      }
      await Promise.all(settled);
      assert.equal(level.waiting, 0);
    }),
  );
});
