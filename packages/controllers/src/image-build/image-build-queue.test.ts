import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { placeInQueue } from "./image-build-queue.ts";
import type { QueuedBuild } from "./image-build-queue.ts";

const queues: fc.Arbitrary<readonly QueuedBuild[]> = fc
  .array(
    fc.record({
      priority: fc.integer({ min: -2, max: 2 }),
      createdAt: fc.integer({ min: 0, max: 3 }).map((minute) => `2026-01-01T00:0${minute}:00Z`),
      layer: fc.constantFrom("a", "b", "c", "d", undefined),
      state: fc.constantFrom<QueuedBuild["state"][]>("running", "waiting", "blocked"),
    }),
    { maxLength: 10 },
  )
  .map((builds) =>
    builds.map(({ layer, ...build }, index) => ({
      ...build,
      key: `default/${index}`,
      ...(layer === undefined ? {} : { layer }),
    })),
  );

test("no more are admitted than may run, and never two of one layer", () => {
  fc.assert(
    fc.property(queues, fc.integer({ min: 1, max: 4 }), (builds, mostAtOnce) => {
      const admitted = builds.filter(
        ({ key, state }) => state === "waiting" && placeInQueue(builds, { key, mostAtOnce }).kind === "admitted",
      );
      const running = builds.filter(({ state }) => state === "running");
      assert.ok(admitted.length <= Math.max(0, mostAtOnce - running.length));
      const layers = [...running, ...admitted].flatMap(({ layer }) => layer ?? []);
      for (const { layer } of admitted) {
        if (layer !== undefined) assert.equal(layers.filter((other) => other === layer).length, 1);
      }
    }),
  );
});

test("whoever has a turn keeps it, and whenever there is room somebody has it", () => {
  fc.assert(
    fc.property(queues, fc.integer({ min: 1, max: 4 }), (builds, mostAtOnce) => {
      const places = builds.map((build) => ({ build, place: placeInQueue(builds, { key: build.key, mostAtOnce }) }));
      for (const { build, place } of places) if (build.state === "running") assert.equal(place.kind, "admitted");
      const running = builds.filter(({ state }) => state === "running");
      const taken = new Set(running.flatMap(({ layer }) => layer ?? []));
      const hasCandidate = builds.some(
        ({ state, layer }) => state === "waiting" && (layer === undefined || !taken.has(layer)),
      );
      if (!hasCandidate || running.length >= mostAtOnce) return;
      assert.ok(places.some(({ build, place }) => build.state === "waiting" && place.kind === "admitted"));
    }),
  );
});

test("the more urgent goes first, then the older", () => {
  const build = (key: string, priority: number, minute: number): QueuedBuild => ({
    key,
    priority,
    createdAt: `2026-01-01T00:0${minute}:00Z`,
    state: "waiting",
  });
  const builds = [build("late", 0, 2), build("early", 0, 1), build("urgent", 5, 3)];
  const placeOf = (key: string) => placeInQueue(builds, { key, mostAtOnce: 1 });
  assert.deepEqual(placeOf("urgent"), { kind: "admitted" });
  assert.deepEqual(placeOf("early"), { kind: "queued", position: 1 });
  assert.deepEqual(placeOf("late"), { kind: "queued", position: 2 });
});
