// Snapshot schedules over a real API server; snapshots get on when the test says so.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  Event,
  findCondition,
  VirtualMachine,
  VMSnapshot,
  VMSnapshotSchedule,
  type VMSnapshotScheduleSpec,
} from "@vivarium/api";
import { controllersLab, headOf, machine } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createRepeatedSnapshotController } from "./repeated-snapshot.ts";
import { createVmSnapshotScheduleController } from "./vm-snapshot-schedule.ts";

const namespace = "default";
const hour = 3_600_000;

async function lab(t: TestContext, spec?: Partial<VMSnapshotScheduleSpec>) {
  const base = await controllersLab(t);
  const { client, clock, manager } = base;
  const controllers = [
    createVmSnapshotScheduleController({ manager, clock }),
    createRepeatedSnapshotController({ manager }),
  ];
  base.run(...controllers);
  const create = (made: Partial<VMSnapshotScheduleSpec>) =>
    client.create(VMSnapshotSchedule, {
      ...headOf(VMSnapshotSchedule, "hourly"),
      spec: { schedule: "0 * * * *", ...(made.selector === undefined ? { vmRef: { name: "web" } } : {}), ...made },
    });
  await client.create(VirtualMachine, machine("web", { imageRef: { name: "x" } }));
  if (spec !== undefined) await create(spec);
  const list = async () => [...(await client.list(VMSnapshot, { namespace })).items];
  const schedule = () => client.get(VMSnapshotSchedule, { namespace, name: "hourly" });
  return {
    ...base,
    create,
    list,
    schedule,
    says: (pattern: RegExp) =>
      eventually(
        async () => pattern.test(findCondition((await schedule()).status?.conditions, "Ready")?.message ?? ""),
        String(pattern),
      ),
    until: (what: string, isSo: (names: readonly string[]) => boolean) =>
      eventually(async () => isSo((await list()).map(({ metadata }) => metadata.name)), what),
    /** An hour, from the schedule's own sight. */
    hours: async (count = 1) => clock.advance(count * hour),
    setPhase: async (phase: "Ready" | "Failed") => {
      for (const each of await list()) {
        if (each.status?.phase !== undefined) continue;
        const completionTime = new Date(clock.now()).toISOString();
        await client.updateStatus(VMSnapshot, { ...each, status: { phase, completionTime } });
      }
    },
    patch: (change: object) => client.mergePatch(VMSnapshotSchedule, { namespace, name: "hourly" }, { spec: change }),
    reasons: async () => (await client.list(Event, { namespace })).items.map(({ reason }) => reason),
  };
}

test("each hour a snapshot is made, named after the hour, and the oldest beyond the limit goes", async (t) => {
  const { hours, until, setPhase, schedule, list, says } = await lab(t, {
    successfulJobsHistoryLimit: 2,
    snapshotTemplate: { metadata: { labels: { tier: "gold" } }, spec: { description: "by the clock" } },
  });
  await says(/Snapshots of VM web, the next one at /);
  for (const count of [1, 2, 2]) {
    const before = new Set((await list()).map(({ metadata }) => metadata.name));
    await hours();
    await until("it is made", (names) => names.some((name) => !before.has(name)));
    await setPhase("Ready");
    await until("the oldest goes", (names) => names.length === count);
  }
  const made = await list();
  for (const { metadata, spec } of made) {
    assert.match(metadata.name, /^hourly-\d{8}-\d\d00$/);
    assert.deepEqual([spec.vmRef.name, spec.description, metadata.labels?.["tier"]], ["web", "by the clock", "gold"]);
  }
  const { status } = await schedule();
  assert.ok(Date.parse(status?.lastSuccessfulTime ?? "") > 0);
  assert.equal(Date.parse(status?.nextScheduleTime ?? "") - Date.parse(status?.lastScheduleTime ?? ""), hour);
});

test("all machines with the labels, looked for at each run", async (t) => {
  const { client, hours, until } = await lab(t, { selector: { matchLabels: { backup: "yes" } } });
  for (const name of ["db-0", "db-1"]) {
    const vm = machine(name, { imageRef: { name: "x" } });
    await client.create(VirtualMachine, { ...vm, metadata: { ...vm.metadata, labels: { backup: "yes" } } });
  }
  await hours();
  await until(
    "one each",
    (names) =>
      names
        .map((name) => name.slice(0, 11))
        .sort()
        .join() === "hourly-db-0,hourly-db-1",
  );
});

test("while one is being taken: Forbid leaves the machine out, Replace begins anew, Allow takes one more", async (t) => {
  const { hours, until, list, patch, reasons } = await lab(t, { concurrencyPolicy: "Forbid" });
  await hours();
  await until("the first", (names) => names.length === 1);
  await hours();
  await eventually(async () => (await reasons()).includes("SnapshotStillActive"), "it is told");
  assert.equal((await list()).length, 1);
  await patch({ concurrencyPolicy: "Allow" });
  await hours();
  await until("one more", (names) => names.length === 2);
  const before = (await list()).map(({ metadata }) => metadata.name);
  await patch({ concurrencyPolicy: "Replace" });
  await hours();
  await until("another one instead", (names) => names.length === 1 && !before.includes(names[0] ?? ""));
});

test("while it pauses none is made; then the last one is made up for, unless that is too late", async (t) => {
  const { hours, until, list, patch, says, schedule, clock } = await lab(t, { suspend: true });
  await says(/spec\.suspend is true/);
  await hours(3);
  assert.deepEqual(await list(), []);
  await patch({ suspend: false });
  await until("one, not three", (names) => names.length === 1);
  await patch({ suspend: true, startingDeadlineSeconds: 60 });
  await says(/spec\.suspend is true/);
  // A quarter past the next hour but one.
  await clock.advance(2 * hour + hour / 4 - (clock.now() % hour));
  await patch({ suspend: false });
  await eventually(async () => (await schedule()).status?.lastMissedTime, "it is told as missed");
  assert.equal((await list()).length, 1);
});

test("what cannot be meant is told, and nothing is made", async (t) => {
  const { says, patch, hours, list } = await lab(t, { schedule: "0 25 * * *" });
  await says(/hour: 25/);
  await patch({ schedule: "@hourly", timeZone: "Mars/Olympus" });
  await says(/no time zone "Mars\/Olympus"/);
  await patch({ timeZone: "UTC", selector: { matchLabels: { a: "b" } } });
  await says(/one of vmRef and selector; it has both/);
  await hours(2);
  assert.deepEqual(await list(), []);
  await patch({ selector: null, vmRef: { name: "gone" } });
  await says(/there is no VM "gone"/);
});

test("a VMSnapshot with spec.schedule is repeated by a schedule of its name, until that is disabled", async (t) => {
  const { client, schedule, hours, until } = await lab(t);
  const snapshot = {
    ...headOf(VMSnapshot, "hourly"),
    spec: {
      vmRef: { name: "web" },
      description: "kept",
      schedule: { enabled: true, cronSpec: "0 * * * *", timezone: "Europe/Berlin", successfulJobsHistoryLimit: 7 },
    },
  };
  const { metadata } = await client.create(VMSnapshot, snapshot);
  const { spec } = await eventually(() => schedule().catch(() => undefined), "the schedule");
  assert.deepEqual(
    [spec.schedule, spec.timeZone, spec.vmRef?.name, spec.successfulJobsHistoryLimit],
    ["0 * * * *", "Europe/Berlin", "web", 7],
  );
  assert.equal((await schedule()).metadata.ownerReferences?.[0]?.uid, metadata.uid);
  await hours();
  await until("another one", (names) => names.length === 2);
  const change = { spec: { schedule: { cronSpec: "30 * * * *" } } };
  await client.mergePatch(VMSnapshot, { namespace, name: "hourly" }, change);
  await eventually(async () => (await schedule()).spec.schedule === "30 * * * *", "it follows");
  await client.mergePatch(VMSnapshot, { namespace, name: "hourly" }, { spec: { schedule: { enabled: false } } });
  await eventually(async () => (await schedule().catch(() => undefined)) === undefined, "it goes");
});
