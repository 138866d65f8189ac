import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SharedFlights } from "./shared-flights.ts";

const never = new AbortController().signal;

describe("shared flights", () => {
  it("run once for all who join, and anew when they have ended", async () => {
    const flights = new SharedFlights<number, string>();
    let runs = 0;
    const work = (): Promise<number> => Promise.resolve((runs += 1));
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => flights.join("a", work, { signal: never }))), [1, 1, 1]);
    assert.equal(await flights.join("a", work, { signal: never }), 2);
  });

  it("keep keys apart", async () => {
    const flights = new SharedFlights<string, string>();
    const join = (key: string): Promise<string> => flights.join(key, () => Promise.resolve(key), { signal: never });
    assert.deepEqual(await Promise.all([join("a"), join("b")]), ["a", "b"]);
  });

  it("fail for all who joined, and may succeed the next time", async () => {
    const flights = new SharedFlights<number, string>();
    const fails = (): Promise<number> => Promise.reject(new Error("broken"));
    const results = await Promise.allSettled([1, 2].map(() => flights.join("a", fails, { signal: never })));
    assert.ok(results.every((result) => result.status === "rejected"));
    assert.equal(await flights.join("a", () => Promise.resolve(5), { signal: never }), 5);
  });

  it("tell a late passenger how far they are", async () => {
    const flights = new SharedFlights<number, string>();
    const done = Promise.withResolvers<number>();
    const first = flights.join("a", ({ report }) => (report("half"), done.promise), { signal: never });
    await new Promise(setImmediate);
    const heard: string[] = [];
    const second = flights.join("a", () => Promise.resolve(0), {
      signal: never,
      onProgress: (text) => heard.push(text),
    });
    done.resolve(1);
    assert.deepEqual(await Promise.all([first, second]), [1, 1]);
    assert.deepEqual(heard, ["half"]);
  });

  it("are aborted when the last passenger leaves, and only then", async () => {
    const flights = new SharedFlights<number, string>();
    const [one, two] = [new AbortController(), new AbortController()];
    let isAborted = false;
    const work = ({ signal }: { signal: AbortSignal }): Promise<number> => {
      const { promise, reject } = Promise.withResolvers<number>();
      signal.addEventListener("abort", () => {
        isAborted = true;
        reject(signal.reason as Error);
      });
      return promise;
    };
    const first = flights.join("a", work, { signal: one.signal });
    const second = flights.join("a", work, { signal: two.signal });
    one.abort(new Error("one left"));
    await assert.rejects(first, /one left/);
    assert.equal(isAborted, false);
    two.abort(new Error("two left"));
    await assert.rejects(second, /two left/);
    assert.equal(isAborted, true);
  });

  it("that were aborted have ended before the next of that key starts", async () => {
    const flights = new SharedFlights<string, string>();
    const abort = new AbortController();
    const cleanedUp = Promise.withResolvers<void>();
    const order: string[] = [];
    const first = flights.join(
      "a",
      async () => {
        await cleanedUp.promise;
        order.push("first ended");
        throw new Error("aborted");
      },
      { signal: abort.signal },
    );
    await new Promise(setImmediate);
    abort.abort(new Error("left"));
    await assert.rejects(first, /left/);
    const second = flights.join("a", () => Promise.resolve((order.push("second started"), "ok")), { signal: never });
    cleanedUp.resolve();
    assert.equal(await second, "ok");
    assert.deepEqual(order, ["first ended", "second started"]);
  });
});
