import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { StatusError } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client, WatchEvent } from "@vivarium/client";
import { pino } from "pino";
import { ManualClock } from "./manual-clock.ts";
import { WatchCache } from "./watch-cache.ts";

// The server's side is scripted here, since a real one cannot be made to compact, break and lag at chosen moments.

const things: ResourceType = { group: "", version: "v1", kind: "Thing", plural: "things", namespaced: true };

interface Watch {
  readonly from: string;
  push(event: WatchEvent<KubeObject>): void;
  end(error?: Error): void;
}

function script(t: TestContext, lists: readonly { items: readonly KubeObject[]; resourceVersion: string }[]) {
  const watches: Watch[] = [];
  let listed = 0;
  const client = {
    async list() {
      const list = lists[Math.min(listed, lists.length - 1)];
      listed += 1;
      return structuredClone(list);
    },
    watch(_type: ResourceType, options: { resourceVersion: string; signal?: AbortSignal }) {
      const stream = new ReadableStream<WatchEvent<KubeObject>>({
        start(controller) {
          watches.push({
            from: options.resourceVersion,
            push: (event) => controller.enqueue(event),
            end: (error) => (error === undefined ? controller.close() : controller.error(error)),
          });
          options.signal?.addEventListener("abort", () => controller.error(options.signal?.reason), { once: true });
        },
      });
      return stream;
    },
  } as unknown as Client;
  const clock = new ManualClock();
  const cache = new WatchCache(things, { client, logger: pino({ level: "silent" }), clock, random: () => 0 });
  const changes: string[] = [];
  cache.onChange((change) => {
    const object = change.kind === "set" ? change.object : change.previous;
    changes.push(`${change.kind} ${object.metadata.name}@${object.metadata.resourceVersion}`);
  });
  const stop = new AbortController();
  const running = cache.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return { cache, clock, watches, changes, settle: () => clock.advance(0) };
}

function thing(name: string, version: number, meta: Partial<KubeObject["metadata"]> = {}): KubeObject {
  const metadata = { name, namespace: "default", uid: name, resourceVersion: String(version), ...meta };
  return { apiVersion: "v1", kind: "Thing", metadata };
}

test("the list fills it, the watch keeps it", async (t) => {
  const { cache, watches, changes, settle } = script(t, [{ items: [thing("a", 3)], resourceVersion: "5" }]);
  await cache.synced;
  await settle();
  assert.equal(watches[0]?.from, "5");
  watches[0].push({ type: "MODIFIED", object: thing("a", 6) });
  watches[0].push({ type: "ADDED", object: thing("b", 7) });
  watches[0].push({ type: "DELETED", object: thing("a", 8) });
  await settle();
  assert.deepEqual(changes, ["set a@3", "set a@6", "set b@7", "deleted a@6"]);
  assert.deepEqual(
    cache.list({ namespace: "default" }).map((each) => each.metadata.name),
    ["b"],
  );
});

test("a watch that ends or breaks is resumed where it was, bookmarks included", async (t) => {
  const { watches, clock, settle } = script(t, [{ items: [], resourceVersion: "5" }]);
  await settle();
  watches[0]?.push({ type: "ADDED", object: thing("a", 6) });
  watches[0]?.push({ type: "BOOKMARK", resourceVersion: "9" });
  await settle();
  watches[0]?.end();
  await settle();
  assert.equal(watches[1]?.from, "9");
  watches[1].end(new Error("connection reset"));
  await clock.advance(1_000);
  assert.equal(watches[2]?.from, "9");
});

test("after 410 it lists again, and what is gone meanwhile is deleted", async (t) => {
  const { cache, watches, changes, clock, settle } = script(t, [
    { items: [thing("a", 3), thing("b", 4)], resourceVersion: "5" },
    { items: [thing("b", 4), thing("c", 20)], resourceVersion: "21" },
  ]);
  await settle();
  watches[0]?.end(new StatusError("Expired", "too old"));
  await clock.advance(1_000);
  assert.deepEqual(changes, ["set a@3", "set b@4", "set c@20", "deleted a@3"]);
  assert.equal(watches[1]?.from, "21");
  assert.equal(cache.get({ namespace: "default", name: "a" }), undefined);
});

test("an own write shows at once, and events from before it do not undo it", async (t) => {
  const { cache, watches, changes, settle } = script(t, [{ items: [thing("a", 3)], resourceVersion: "5" }]);
  await settle();
  cache.observe(thing("a", 8));
  watches[0]?.push({ type: "MODIFIED", object: thing("a", 7) });
  watches[0]?.push({ type: "MODIFIED", object: thing("a", 8) });
  await settle();
  assert.deepEqual(changes, ["set a@3", "set a@8"]);
});

test("an own write whose answer comes after the watch has passed it adds nothing, not even a deleted object", async (t) => {
  const { cache, watches, changes, settle } = script(t, [{ items: [thing("a", 3)], resourceVersion: "5" }]);
  await settle();
  watches[0]?.push({ type: "MODIFIED", object: thing("a", 6) });
  watches[0]?.push({ type: "DELETED", object: thing("a", 7) });
  await settle();
  cache.observe(thing("a", 6));
  assert.deepEqual(changes, ["set a@3", "set a@6", "deleted a@6"]);
});

test("removing the last finalizer of a deleted object removes it", async (t) => {
  const { cache, settle } = script(t, [{ items: [thing("a", 3)], resourceVersion: "5" }]);
  await settle();
  cache.observe(thing("a", 6, { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [] }));
  assert.equal(cache.get({ namespace: "default", name: "a" }), undefined);
});

test("a list that is older than an own write does not delete what was written", async (t) => {
  const { cache, watches, clock, settle } = script(t, [
    { items: [], resourceVersion: "5" },
    { items: [], resourceVersion: "7" },
  ]);
  await settle();
  cache.observe(thing("a", 8));
  watches[0]?.end(new StatusError("Expired", "too old"));
  await clock.advance(1_000);
  assert.notEqual(cache.get({ namespace: "default", name: "a" }), undefined);
});

test("watches that end at once are not asked for without pause", async (t) => {
  const { watches, clock, settle } = script(t, [{ items: [], resourceVersion: "5" }]);
  await settle();
  let ended = 0;
  for (let turn = 0; turn < 20; turn++) {
    for (; ended < watches.length; ended++) watches[ended]?.end();
    await settle();
  }
  assert.equal(watches.length, 1);
  await clock.advance(30_000);
  assert.equal(watches.length, 2);
});

test("cached objects cannot be changed", async (t) => {
  const { cache, settle } = script(t, [{ items: [thing("a", 3)], resourceVersion: "5" }]);
  await settle();
  const found = cache.get({ namespace: "default", name: "a" });
  assert.throws(() => {
    if (found !== undefined) found.metadata.labels = {};
  }, TypeError);
});

test("who owns which field is not kept", async (t) => {
  const owned = { managedFields: [{ manager: "kubectl" }], labels: { a: "b" } };
  const { cache, watches, settle } = script(t, [{ items: [thing("a", 3, owned)], resourceVersion: "5" }]);
  await settle();
  watches[0]?.push({ type: "ADDED", object: thing("b", 7, owned) });
  await settle();
  for (const { metadata } of cache.list({ namespace: "default" }))
    assert.deepEqual([metadata.managedFields, metadata.labels], [undefined, { a: "b" }]);
});
