import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ManualClock } from "./manual-clock.ts";
import { WorkQueue } from "./work-queue.ts";

function setUp(random: () => number = () => 0) {
  const clock = new ManualClock();
  let wakes = 0;
  const queue = new WorkQueue({ clock, random, onReady: () => (wakes += 1) });
  return { clock, queue, wakes: () => wakes };
}

test("a key that is added twice is taken once", () => {
  const { queue } = setUp();
  queue.add("a");
  queue.add("a");
  assert.equal(queue.take(), "a");
  assert.equal(queue.take(), undefined);
});

test("a key added while it runs is taken again when it is done, not before", () => {
  const { queue } = setUp();
  queue.add("a");
  queue.take();
  queue.add("a");
  assert.equal(queue.take(), undefined);
  queue.done("a", { kind: "done" });
  assert.equal(queue.take(), "a");
});

test("keys are taken in the order of their arrival", () => {
  const { queue } = setUp();
  for (const key of ["b", "a", "c", "a"]) queue.add(key);
  assert.deepEqual([queue.take(), queue.take(), queue.take()], ["b", "a", "c"]);
});

test("failures wait 0.5 s, 1 s, 2 s, … up to 5 min, and success forgets them", async () => {
  const { clock, queue } = setUp();
  queue.add("a");
  for (const seconds of [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
    assert.equal(queue.take(), "a");
    queue.done("a", { kind: "failed" });
    await clock.advance(seconds * 1000 - 1);
    assert.equal(queue.take(), undefined, `before ${seconds} s`);
    await clock.advance(1);
  }
  assert.equal(queue.failures("a"), 12);
  assert.equal(queue.take(), "a");
  queue.done("a", { kind: "done" });
  assert.equal(queue.failures("a"), 0);
});

test("an event cuts a long back-off short, but not below the shortest", async () => {
  const { clock, queue } = setUp();
  queue.add("a");
  for (let failure = 0; failure < 6; failure++) {
    queue.take();
    queue.done("a", { kind: "failed" });
    if (failure < 5) await clock.advance(300_000);
  }
  queue.add("a");
  assert.equal(queue.take(), undefined);
  await clock.advance(500);
  assert.equal(queue.take(), "a");
});

test("of two waits for the same key the earlier one counts, once", async () => {
  const { clock, queue } = setUp();
  queue.addAfter("a", 5_000);
  queue.addAfter("a", 1_000);
  await clock.advance(1_000);
  assert.equal(queue.take(), "a");
  queue.done("a", { kind: "done" });
  await clock.advance(10_000);
  assert.equal(queue.take(), undefined);
});

test("many waiting keys need one timer, and an idle queue none", async () => {
  const { clock, queue } = setUp();
  for (let index = 0; index < 100; index++) queue.addAfter(`k${index}`, 1_000 + ((index * 37) % 100));
  assert.equal(clock.sleepers, 1);
  await clock.advance(2_000);
  assert.equal(queue.depth, 100);
  assert.equal(clock.sleepers, 0);
});

test("a closed queue wakes nobody", async () => {
  const { clock, queue, wakes } = setUp();
  queue.addAfter("a", 1_000);
  queue.close();
  queue.add("b");
  await clock.advance(2_000);
  assert.equal(wakes(), 0);
  assert.equal(clock.sleepers, 0);
});

type Step =
  | { readonly do: "add"; readonly key: string }
  | { readonly do: "addAfter"; readonly key: string; readonly ms: number }
  | { readonly do: "take" }
  | { readonly do: "done"; readonly which: number; readonly next: "done" | "after" | "soon" | "failed" }
  | { readonly do: "advance"; readonly ms: number };

const keys = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("add" as const), key: keys }),
  fc.record({ do: fc.constant("addAfter" as const), key: keys, ms: fc.integer({ min: 0, max: 5_000 }) }),
  fc.record({ do: fc.constant("take" as const) }),
  fc.record({
    do: fc.constant("done" as const),
    which: fc.nat(3),
    next: fc.constantFrom("done" as const, "after" as const, "soon" as const, "failed" as const),
  }),
  fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
);

test("whatever happens: no key runs twice at once, and everything asked for is looked at in the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { clock, queue } = setUp(() => 0.5);
      const running = new Set<string>();
      /** Keys that were asked for and not taken since. */
      const owed = new Set<string>();
      const take = (): string | undefined => {
        const key = queue.take();
        if (key === undefined) return undefined;
        assert.ok(!running.has(key), `${key} runs twice`);
        running.add(key);
        owed.delete(key);
        return key;
      };
      for (const each of steps) {
        switch (each.do) {
          case "add":
            queue.add(each.key);
            owed.add(each.key);
            break;
          case "addAfter":
            queue.addAfter(each.key, each.ms);
            break;
          case "take":
            take();
            break;
          case "done": {
            const key = [...running][each.which];
            if (key === undefined) break;
            running.delete(key);
            if (each.next === "failed" || each.next === "after") owed.add(key);
            queue.done(key, each.next === "after" ? { kind: "after", ms: 700 } : { kind: each.next });
            break;
          }
          case "advance":
            await clock.advance(each.ms);
            break;
        }
      }
      for (const key of running) queue.done(key, { kind: "done" });
      running.clear();
      await clock.advance(600_000);
      for (let key = take(); key !== undefined; key = take()) {
        running.delete(key);
        queue.done(key, { kind: "done" });
      }
      assert.deepEqual([...owed], []);
      assert.equal(clock.sleepers, 0);
    }),
    { numRuns: 60 },
  );
});
