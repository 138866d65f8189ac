import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { EventSteps } from "./event-steps.ts";

test("while nothing comes a step is late, and the batch that was waited for is not lost", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<string, undefined> {
      await promise;
      yield "a";
      yield "b";
      return undefined;
    }
    const steps = new EventSteps(source(), { everyMs: 60_000 });
    const first = steps.next();
    mock.timers.tick(60_000);
    assert.equal(await first, "late");
    resolve();
    await new Promise((wait) => setImmediate(wait));
    assert.deepEqual(await steps.next(), { done: false, value: "a" });
    assert.deepEqual(await steps.next(), { done: false, value: "b" });
    assert.deepEqual(await steps.next(), { done: true, value: undefined });
    steps.stop();
  } finally {
    mock.timers.reset();
  }
});

test("what the source fails with is what a step fails with", async () => {
  const source: AsyncIterator<string, undefined> = { next: () => Promise.reject(new RangeError("gone")) };
  await assert.rejects(new EventSteps(source, { everyMs: undefined }).next(), RangeError);
});
