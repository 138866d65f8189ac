// VMGroups over a real API server; the machines answer as the test says.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { findCondition, isStatus, VirtualMachine, VMGroup, VMSnapshot, type VMGroupSpec } from "@vivarium/api";
import { controllersLab, headOf, machine } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createVmGroupController } from "./vm-group.ts";

const namespace = "default";

async function lab(t: TestContext, spec: VMGroupSpec, names: readonly string[]) {
  const base = await controllersLab(t);
  const { client, clock, manager } = base;
  base.run(createVmGroupController({ manager, clock }));
  for (const name of names) {
    const vm = machine(name, { imageRef: { name: "v1" }, powerState: "Off" });
    await client.create(VirtualMachine, { ...vm, metadata: { ...vm.metadata, labels: { app: "shop" } } });
  }
  await client.create(VMGroup, { ...headOf(VMGroup, "shop"), spec });
  const vm = (name: string) => client.get(VirtualMachine, { namespace, name });
  /** The machine is as its spec wants it. */
  const answer = async (name: string): Promise<void> => {
    const found = await vm(name);
    const isOn = found.spec.powerState === "On";
    const condition = {
      type: "Ready",
      status: isOn ? ("True" as const) : ("False" as const),
      reason: isOn ? "Running" : "Stopped",
      message: "x",
      lastTransitionTime: new Date(clock.now()).toISOString(),
    };
    const status = {
      phase: isOn ? ("Running" as const) : ("Stopped" as const),
      powerState: isOn ? ("On" as const) : ("Off" as const),
      id: name,
    };
    const { generation = 1 } = found.metadata;
    await client.updateStatus(VirtualMachine, {
      ...found,
      status: { ...status, observedGeneration: generation, conditions: [condition] },
    });
  };
  const wish = (id: string, action: "Start" | "Stop" | "Snapshot" | "Delete") =>
    client.mergePatch(VMGroup, { namespace, name: "shop" }, { spec: { operation: { id, action } } });
  const states = (wanted: string) =>
    base.until(VMGroup, "shop", ({ status }) => {
      const found = status?.operation?.members.map(({ name, state }) => `${name}:${state}`).join(" ");
      return found === wanted;
    });
  return { ...base, vm, answer, wish, states };
}

const members = [{ name: "web", dependsOn: ["db"] }, { name: "db" }];

test("Start asks a machine only when what it needs is Ready; Stop goes the other way", async (t) => {
  const { wish, states, vm, answer } = await lab(t, { members }, ["web", "db"]);
  await wish("one", "Start");
  await states("web:Waiting db:Working");
  await eventually(async () => (await vm("db")).spec.powerState === "On", "db is asked");
  assert.equal((await vm("web")).spec.powerState, "Off");
  await answer("db");
  await eventually(async () => (await vm("web")).spec.powerState === "On", "web is asked");
  await answer("web");
  const started = await states("web:Done db:Done");
  assert.equal(started.status?.operation?.phase, "Succeeded");
  await wish("two", "Stop");
  await eventually(async () => (await vm("web")).spec.powerState === "OffGraceful", "web is asked");
  assert.equal((await vm("db")).spec.powerState, "On");
  await answer("web");
  await eventually(async () => (await vm("db")).spec.powerState === "OffGraceful", "db is asked");
  await answer("db");
  await states("web:Done db:Done");
});

test("what is done once is not done again: a machine that is stopped later stays so", async (t) => {
  const { wish, until, vm, answer, client } = await lab(t, { selector: { matchLabels: { app: "shop" } } }, ["one"]);
  await wish("a", "Start");
  await eventually(async () => (await vm("one")).spec.powerState === "On", "it is asked");
  await answer("one");
  await until(VMGroup, "shop", ({ status }) => status?.operation?.phase === "Succeeded");
  await client.mergePatch(VirtualMachine, { namespace, name: "one" }, { spec: { powerState: "Off" } });
  await answer("one");
  const group = await until(VMGroup, "shop", ({ status }) => status?.running === 0);
  assert.equal(group.status?.total, 1);
  assert.equal((await vm("one")).spec.powerState, "Off");
});

test("one that fails is told, what needs it is skipped, and the others go on", async (t) => {
  const three = [...members, { name: "alone" }];
  const { wish, until, answer, vm, clock } = await lab(t, { members: three, timeout: "1m" }, ["web", "db", "alone"]);
  await wish("one", "Start");
  await eventually(async () => (await vm("alone")).spec.powerState === "On", "it is asked");
  await answer("alone");
  await until(VMGroup, "shop", ({ status }) => status?.operation?.members.at(-1)?.state === "Done");
  await clock.advance(60_000);
  const { status } = await until(VMGroup, "shop", (group) => group.status?.operation?.phase === "PartiallyFailed");
  assert.match(
    status?.operation?.message ?? "",
    /^1 of 3 VMs started; web: it needs db, which failed; db: not done after 60 s/,
  );
  assert.equal(findCondition(status?.conditions, "OperationComplete")?.status, "False");
  assert.equal((await vm("web")).spec.powerState, "Off");
});

test("Snapshot makes one of each machine, named after the operation", async (t) => {
  const { wish, until, client } = await lab(t, { members }, ["web", "db"]);
  await wish("before", "Snapshot");
  for (const name of ["web-before", "db-before"]) {
    const taken = await until(VMSnapshot, name, () => true);
    await client.updateStatus(VMSnapshot, { ...taken, status: { phase: "Ready" } });
  }
  await until(VMGroup, "shop", ({ status }) => status?.operation?.phase === "Succeeded");
});

test("a snapshot that was there before is not taken for the one that was asked for", async (t) => {
  const { wish, until, client, clock } = await lab(t, { members }, ["web", "db"]);
  await client.create(VMSnapshot, { ...headOf(VMSnapshot, "db-before"), spec: { vmRef: { name: "db" } } });
  await clock.advance(10_000);
  await wish("before", "Snapshot");
  const { status } = await until(VMGroup, "shop", (group) => group.status?.operation?.members[1]?.state === "Failed");
  assert.match(status?.operation?.members[1]?.message ?? "", /"db-before" was there before/);
});

test("Delete deletes the machines that were there when it began, in reverse order, then the group", async (t) => {
  const { wish, client } = await lab(t, { members }, ["web", "db"]);
  await wish("gone", "Delete");
  const isGone = async (type: typeof VMGroup | typeof VirtualMachine, name: string): Promise<boolean> => {
    try {
      await (type === VMGroup
        ? client.get(VMGroup, { namespace, name })
        : client.get(VirtualMachine, { namespace, name }));
      return false;
    } catch (error) {
      if (isStatus(error, "NotFound")) return true;
      throw error;
    }
  };
  await eventually(() => isGone(VMGroup, "shop"), "the group is gone");
  assert.ok(await isGone(VirtualMachine, "web"));
  assert.ok(await isGone(VirtualMachine, "db"));
});

test("a circle is refused, and the operation with it", async (t) => {
  const circle = [
    { name: "a", dependsOn: ["b"] },
    { name: "b", dependsOn: ["a"] },
  ];
  const { wish, until } = await lab(t, { members: circle }, ["a", "b"]);
  await wish("one", "Start");
  const { status } = await until(VMGroup, "shop", (group) => group.status?.operation?.phase === "Failed");
  assert.match(status?.operation?.message ?? "", /circle: a, b/);
  assert.equal(findCondition(status?.conditions, "Ready")?.reason, "InvalidSpec");
});
