// Records of long work over a real API server; the objects' states are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Event, Operation, VirtualMachine, VMSnapshot } from "@vivarium/api";
import { Registry } from "prom-client";
import { controllersLab, headOf, machine } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createOperationsController } from "./operations.ts";

const namespace = "default";

test("a VM's creation is recorded with its duration and outcome; its deletion too", async (t) => {
  const { client, clock, manager, run } = await controllersLab(t);
  const metrics = new Registry();
  run(createOperationsController({ manager, clock, metrics }));
  const operations = async () => (await client.list(Operation, { namespace })).items;
  const found = (verb: string, phase: string) =>
    eventually(async () => {
      const all = await operations();
      return all.find((each) => each.verb === verb && each.phase === phase);
    }, `${verb} ${phase}`);
  const vm = machine("web", { imageRef: { name: "v1" } });
  const created = await client.create(VirtualMachine, { ...vm, metadata: { ...vm.metadata, finalizers: ["x/held"] } });
  await eventually(async () => {
    await clock.advance(1_000);
    return (await operations()).length === 1;
  }, "it is recorded");
  assert.equal((await found("Create", "Running")).object.name, "web");
  assert.match(await metrics.metrics(), /vivarium_operations_running\{kind="VirtualMachine",verb="Create"\} 1/);
  const now = new Date(clock.now()).toISOString();
  const condition = {
    type: "Ready",
    status: "True",
    reason: "Running",
    message: "Up",
    lastTransitionTime: now,
  } as const;
  await client.updateStatus(VirtualMachine, {
    ...created,
    status: { phase: "Running", powerState: "On", startedAt: now, conditions: [condition] },
  });
  const done = await found("Create", "Succeeded");
  assert.equal(done.message, "Up");
  assert.match(done.duration ?? "", /^\d+s$/);
  assert.match(
    await metrics.metrics(),
    /vivarium_operation_duration_seconds_count\{kind="VirtualMachine",verb="Create",outcome="Succeeded"\} 1/,
  );
  await client.delete(VirtualMachine, { namespace, name: "web" });
  await eventually(async () => {
    await clock.advance(1_000);
    return (await operations()).length === 2;
  }, "the deletion is recorded");
  await client.mergePatch(VirtualMachine, { namespace, name: "web" }, { metadata: { finalizers: null } });
  await found("Delete", "Succeeded");
});

test("work that was going on before a restart is taken up, and ends", async (t) => {
  const { client, clock, manager, run, until } = await controllersLab(t);
  const head = headOf(Operation, "vmsnapshot-gone-take-1");
  const startTime = new Date(clock.now() - 60_000).toISOString();
  await client.create(Operation, {
    ...head,
    object: { kind: "VMSnapshot", name: "gone", uid: "u" },
    verb: "Take",
    phase: "Running",
    startTime,
  });
  run(createOperationsController({ manager, clock }));
  const ended = await until(Operation, "vmsnapshot-gone-take-1", ({ phase }) => phase === "Superseded");
  assert.ok(ended.duration !== undefined);
});

test("what takes much longer than usual is told in an event of its object", async (t) => {
  const { client, clock, manager, run } = await controllersLab(t);
  for (const index of [1, 2, 3]) {
    await client.create(Operation, {
      ...headOf(Operation, `before-${index}`),
      object: { kind: "VMSnapshot", name: `s${index}`, uid: "u" },
      verb: "Take",
      phase: "Succeeded",
      startTime: "2026-01-01T00:00:00Z",
      completionTime: "2026-01-01T00:00:05Z",
    });
  }
  run(createOperationsController({ manager, clock }));
  await client.create(VMSnapshot, { ...headOf(VMSnapshot, "slow"), spec: { vmRef: { name: "web" } } });
  await eventually(async () => {
    await clock.advance(5_000);
    const { items } = await client.list(Event, { namespace });
    const told = items.find(({ reason }) => reason === "TakesLong");
    return told?.message?.startsWith("Take has been going on for 1m") === true && told.message.includes("usually 5s");
  }, "the event");
  const { items } = await client.list(Operation, { namespace });
  assert.equal(items.find(({ object }) => object.name === "slow")?.overdue, true);
});

test("of very many at once a hundred are recorded, and besides these what fails", async (t) => {
  const { client, clock, manager, run } = await controllersLab(t);
  const metrics = new Registry();
  run(createOperationsController({ manager, clock, metrics }));
  const names = Array.from({ length: 110 }, (_, index) => `s${index}`);
  const spec = { vmRef: { name: "web" } };
  await Promise.all(names.map((name) => client.create(VMSnapshot, { ...headOf(VMSnapshot, name), spec })));
  const operations = async () => (await client.list(Operation, { namespace })).items;
  await eventually(async () => (await metrics.metrics()).includes('{kind="VMSnapshot",verb="Take"} 110'), "all begin");
  // One moment for all of them: later ones would find room again.
  await clock.advance(1_000);
  await eventually(async () => (await operations()).length >= 100, "records");
  await clock.advance(0);
  const recorded = new Set((await operations()).map(({ object }) => object.name));
  assert.equal(recorded.size, 100);
  const left = names.filter((name) => !recorded.has(name));
  const [failing = "", succeeding = ""] = left;
  const end = async (name: string, phase: "Failed" | "Ready"): Promise<void> => {
    const snapshot = await client.get(VMSnapshot, { namespace, name });
    await client.updateStatus(VMSnapshot, { ...snapshot, status: { phase } });
  };
  await end(succeeding, "Ready");
  await end(failing, "Failed");
  await eventually(async () => (await operations()).some(({ object }) => object.name === failing), "the failure");
  const outcomes = await metrics.metrics();
  assert.match(outcomes, /_count\{kind="VMSnapshot",verb="Take",outcome="Succeeded"\} 1/);
  assert.equal((await operations()).length, 101);
});
