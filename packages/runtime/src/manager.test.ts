import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ConfigMap, Event, Namespace, Secret, VMClass } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { Registry } from "prom-client";
import { related, TerminalError } from "./controller.ts";
import type { Controller, Manager, ReconcileRequest } from "./controller.ts";
import { ensureFinalizer, removeFinalizer } from "./finalizers.ts";
import { createManager } from "./manager.ts";
import { ManualClock } from "./manual-clock.ts";
import { eventually } from "./testing/eventually.ts";
import { startApi } from "./testing/start-api.ts";
import { writeStatus } from "./write-status.ts";

interface Lab {
  readonly client: Client;
  readonly manager: Manager;
  readonly clock: ManualClock;
  readonly metrics: Registry;
  readonly run: (...controllers: readonly Controller[]) => void;
  readonly stop: () => Promise<void>;
}

async function lab(t: TestContext): Promise<Lab> {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock(Date.now());
  const metrics = new Registry();
  const manager = createManager({ client, logger, clock, random: () => 0, metrics });
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  t.after(stop);
  return {
    client,
    manager,
    clock,
    metrics,
    stop,
    run(...controllers) {
      for (const controller of controllers) manager.add(controller);
      running = manager.run({ signal: stopping.signal });
    },
  };
}

function vmClass(name: string, memory = "1Gi"): VMClass {
  const { group, version, kind } = VMClass;
  return {
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name, namespace: "default" },
    spec: { cpu: 1, memory },
  };
}

const key = { namespace: "default", name: "small" };

test("objects that are there when it starts, and each change later, are reconciled", async (t) => {
  const { client, manager, run } = await lab(t);
  await client.create(VMClass, vmClass("small"));
  const seen: string[] = [];
  const cache = manager.cache(VMClass);
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(request) {
      seen.push(`${request.name} ${cache.get(request)?.spec.memory ?? "gone"}`);
      return undefined;
    },
  });
  await eventually(() => seen.includes("small 1Gi"), "the first");
  await client.mergePatch(VMClass, key, { spec: { memory: "2Gi" } });
  await eventually(() => seen.includes("small 2Gi"), "the change");
  await client.delete(VMClass, key);
  await eventually(() => seen.includes("small gone"), "the deletion");
});

test("a reconcile right after a write sees what was written", async (t) => {
  const { client, manager, run } = await lab(t);
  const generations: (number | undefined)[] = [];
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(request) {
      const cache = manager.cache(VMClass);
      const object = cache.get(request);
      if (object === undefined || object.spec.memory !== "1Gi") return undefined;
      await manager.client.update(VMClass, { ...object, spec: { ...object.spec, memory: "4Gi" } });
      generations.push(cache.get(request)?.metadata.generation);
      return undefined;
    },
  });
  await client.create(VMClass, vmClass("small"));
  await eventually(() => generations.length > 0, "the write");
  assert.deepEqual(generations, [2]);
});

test("writing a status wakes nobody, and the same status is not written twice", async (t) => {
  const { client, manager, run, clock } = await lab(t);
  let reconciles = 0;
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(request, { signal }) {
      reconciles += 1;
      const object = manager.cache(VMClass).get(request);
      if (object !== undefined)
        await writeStatus(manager.client, { type: VMClass, object, status: { usedByVMs: 7 } }, { signal });
      return undefined;
    },
  });
  await client.create(VMClass, vmClass("small"));
  const written = await eventually(async () => {
    const object = await client.get(VMClass, key);
    return object.status?.usedByVMs === 7 && object;
  }, "the status");
  await clock.advance(0);
  assert.equal(reconciles, 1);
  await client.mergePatch(VMClass, key, { metadata: { labels: { a: "b" } } });
  await eventually(() => reconciles === 2, "the second reconcile");
  await clock.advance(0);
  const after = await client.get(VMClass, key);
  assert.equal(Number(after.metadata.resourceVersion) > Number(written.metadata.resourceVersion), true);
  const events = await client.list(VMClass);
  await clock.advance(60_000);
  assert.equal((await client.list(VMClass)).resourceVersion, events.resourceVersion);
});

test("a failure is tried again after the back-off, with the number of failures; success ends it", async (t) => {
  const { client, run, clock, metrics } = await lab(t);
  const failures: number[] = [];
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(_request, context) {
      failures.push(context.failures);
      if (failures.length < 3) throw new Error("not yet");
      return undefined;
    },
  });
  await client.create(VMClass, vmClass("small"));
  await eventually(() => failures.length === 1, "the first try");
  await clock.advance(499);
  assert.equal(failures.length, 1);
  await clock.advance(1);
  assert.equal(failures.length, 2);
  await clock.advance(1_000);
  assert.deepEqual(failures, [0, 1, 2]);
  const text = await metrics.metrics();
  assert.match(text, /virtrigaud_manager_reconcile_total\{kind="VMClass",outcome="error"\} 2/);
  assert.match(text, /virtrigaud_manager_reconcile_total\{kind="VMClass",outcome="success"\} 1/);
  assert.match(text, /virtrigaud_queue_depth\{kind="VMClass"\} 0/);
});

test("a terminal error waits for a change", async (t) => {
  const { client, run, clock } = await lab(t);
  let tries = 0;
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile() {
      tries += 1;
      throw new TerminalError("never");
    },
  });
  await client.create(VMClass, vmClass("small"));
  await eventually(() => tries === 1, "the try");
  await clock.advance(3_600_000);
  assert.equal(tries, 1);
  await client.mergePatch(VMClass, key, { spec: { cpu: 2 } });
  await eventually(() => tries === 2, "the try after the change");
});

test("a conflict is tried again soon and is no failure", async (t) => {
  const { client, manager, run, clock } = await lab(t);
  const failures: number[] = [];
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(request, context) {
      failures.push(context.failures);
      const object = manager.cache(VMClass).get(request);
      if (object === undefined || failures.length > 1) return undefined;
      const stale = { ...object, metadata: { ...object.metadata, resourceVersion: "1" } };
      await manager.client.update(VMClass, stale);
      return undefined;
    },
  });
  await client.create(VMClass, vmClass("small"));
  await eventually(() => failures.length === 1, "the first try");
  await clock.advance(100);
  await eventually(() => failures.length === 2, "the second try");
  assert.deepEqual(failures, [0, 0]);
});

test("one object is never reconciled twice at a time, several are, up to the limit", async (t) => {
  const { client, run } = await lab(t);
  const active = new Map<string, number>();
  let most = 0;
  let ended = 0;
  run({
    name: "vm-class",
    for: VMClass,
    concurrency: 2,
    async reconcile({ name }) {
      active.set(name, (active.get(name) ?? 0) + 1);
      assert.equal(active.get(name), 1);
      most = Math.max(most, active.size);
      await new Promise((resolve) => setTimeout(resolve, 5));
      active.delete(name);
      ended += 1;
      return undefined;
    },
  });
  for (const name of ["a", "b", "c", "d"]) {
    await client.create(VMClass, vmClass(name));
    await client.mergePatch(VMClass, { namespace: "default", name }, { spec: { cpu: 3 } });
  }
  await eventually(() => ended >= 4 && active.size === 0, "all");
  assert.equal(most, 2);
});

test("a related object wakes what it refers to now and what it referred to before", async (t) => {
  const { client, run } = await lab(t);
  const woken: string[] = [];
  await client.create(ConfigMap, configMap("one"));
  run({
    name: "vm-class",
    for: VMClass,
    related: [related(ConfigMap, (map) => [{ namespace: "default", name: map.data?.["class"] ?? "" }])],
    async reconcile({ name }) {
      woken.push(name);
      return undefined;
    },
  });
  await eventually(() => woken.includes("one"), "the first");
  woken.length = 0;
  await client.mergePatch(ConfigMap, { namespace: "default", name: "map" }, { data: { class: "two" } });
  await eventually(() => woken.length === 2, "both");
  assert.deepEqual(woken.sort(), ["one", "two"]);
});

test("a source outside the API wakes a controller until the manager stops", async (t) => {
  const { run, stop } = await lab(t);
  const woken: string[] = [];
  let poke: (request: ReconcileRequest) => void = () => {};
  run({
    name: "vm-class",
    for: VMClass,
    sources: [(enqueue) => (poke = enqueue)],
    async reconcile({ name }) {
      woken.push(name);
      return undefined;
    },
  });
  await eventually(() => {
    poke({ namespace: "default", name: "x" });
    return woken.length > 0;
  }, "the poke");
  await stop();
  const before = woken.length;
  poke({ namespace: "default", name: "y" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(woken.length, before);
});

test("stopping waits for what runs, which sees the signal", async (t) => {
  const { client, run, stop } = await lab(t);
  const steps: string[] = [];
  run({
    name: "vm-class",
    for: VMClass,
    async reconcile(_request, { signal }) {
      steps.push("begun");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      steps.push("ended");
      return undefined;
    },
  });
  await client.create(VMClass, vmClass("small"));
  await eventually(() => steps.length === 1, "the reconcile");
  await stop();
  assert.deepEqual(steps, ["begun", "ended"]);
});

test("a finalizer holds an object until it is removed", async (t) => {
  const { client } = await lab(t);
  const object = await client.create(VMClass, vmClass("small"));
  const finalizer = "example.dev/hold";
  const held = await ensureFinalizer(client, { type: VMClass, object, finalizer });
  assert.deepEqual(held.metadata.finalizers, [finalizer]);
  assert.equal(await ensureFinalizer(client, { type: VMClass, object: held, finalizer }), held);
  await assert.rejects(ensureFinalizer(client, { type: VMClass, object, finalizer: "example.dev/other" }));
  await client.delete(VMClass, key);
  const deleted = await client.get(VMClass, key);
  assert.notEqual(deleted.metadata.deletionTimestamp, undefined);
  await removeFinalizer(client, { type: VMClass, object: deleted, finalizer });
  await assert.rejects(client.get(VMClass, key));
});

test("the same event again is counted, across restarts too", async (t) => {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock(Date.now());
  const about = await client.create(VMClass, vmClass("small"));
  const event = { type: "Warning", reason: "Odd", message: "this is odd" } as const;
  for (const repeats of [2, 1]) {
    const manager = createManager({ client, logger, clock });
    const stopping = new AbortController();
    const running = manager.run({ signal: stopping.signal });
    for (let each = 0; each < repeats; each++) manager.recorder.record(about, event);
    await eventually(async () => (await client.list(Event)).items.length === 1, "the event");
    stopping.abort();
    await running;
  }
  const [found] = (await client.list(Event, { namespace: "default" })).items;
  assert.equal(found?.count, 3);
  assert.equal(found.involvedObject.uid, about.metadata.uid);
  assert.equal(found.source?.component, "vivarium");
});

test("events of many objects are all written, those of one object in their order", async (t) => {
  const { client, manager, run } = await lab(t);
  run();
  const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
  const objects = await Promise.all(names.map((name) => client.create(VMClass, vmClass(name))));
  const reasons = ["First", "Second", "Third"];
  for (const reason of reasons) {
    for (const about of objects) manager.recorder.record(about, { type: "Normal", reason, message: reason });
  }
  const written = await eventually(async () => {
    const { items } = await client.list(Event);
    return items.length === names.length * reasons.length ? items : undefined;
  }, "all events");
  const versions = written.toSorted((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion));
  for (const name of names) {
    const story = versions.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason);
    assert.deepEqual(story, reasons);
  }
});

test("one object cannot flood the events", async (t) => {
  const { client, manager, run } = await lab(t);
  run();
  const about = await client.create(VMClass, vmClass("small"));
  for (let index = 0; index < 100; index++) {
    manager.recorder.record(about, { type: "Normal", reason: "Loud", message: `number ${index}` });
  }
  await eventually(async () => (await client.list(Event)).items.length >= 25, "the burst");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await client.list(Event)).items.length, 25);
});

test("an idle manager has no timers", async (t) => {
  const { client, run, clock } = await lab(t);
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "lab" } });
  let reconciles = 0;
  run({
    name: "secret",
    for: Secret,
    async reconcile() {
      reconciles += 1;
      return undefined;
    },
  });
  await client.create(Secret, { apiVersion: "v1", kind: "Secret", metadata: { name: "a", namespace: "lab" } });
  await eventually(() => reconciles === 1, "the reconcile");
  await clock.advance(3_600_000);
  assert.equal(clock.sleepers, 0);
  assert.equal(reconciles, 1);
});

function configMap(name: string): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "map", namespace: "default" },
    data: { class: name },
  };
}
