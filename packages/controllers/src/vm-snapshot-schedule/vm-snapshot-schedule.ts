// The VMSnapshotSchedule controller: makes the VMSnapshots that are due and deletes those above the limits. The snapshots belong to their
// machine: they stay when the schedule goes.

import {
  formatTime,
  isStatus,
  setCondition,
  snapshotScheduleLabel,
  VirtualMachine,
  VMSnapshot,
  VMSnapshotSchedule,
} from "@vivarium/api";
import type { VMSnapshotScheduleStatus } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { ObjectNews } from "../object-news.ts";
import { requestOf } from "../request-of.ts";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import { buildSnapshot } from "./build-snapshot.ts";
import { isOfSchedule, readSchedule, selectMachines, viewMachines } from "./schedule-input.ts";
import { decideSchedule } from "./schedule-plan.ts";
import type { ScheduledMachine, ScheduleDecision, ScheduleRun } from "./schedule-plan.ts";

/** Timers cannot wait for months; a clock that is set is noticed in time. */
const longestWaitMs = 3_600_000;

export function createVmSnapshotScheduleController({
  manager,
  clock,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
}): Controller {
  const { client, recorder } = manager;
  const schedules = manager.cache(VMSnapshotSchedule);
  const snapshots = manager.cache(VMSnapshot);
  const machines = manager.cache(VirtualMachine);
  const snapshotNews = new ObjectNews<VMSnapshot>(({ status, spec }) => [status?.phase, spec.metadata?.pinned]);
  const machineNews = new ObjectNews<VirtualMachine>(({ metadata }) => metadata.labels);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const schedule = schedules.get(request);
    if (schedule === undefined || schedule.metadata.deletionTimestamp !== undefined) return undefined;
    const reading = readSchedule(schedule);
    if (!reading.ok) {
      const verdict = {
        status: "False",
        reason: "InvalidSpec",
        message: `${reading.message}; none is taken until then`,
      } as const;
      await write(schedule, statusOf(schedule, verdict), signal);
      return undefined;
    }
    const nowMs = clock.now();
    const { namespace } = request;
    const own = snapshots.list({ namespace }).filter((each) => isOfSchedule(each, request.name));
    const chosen = selectMachines(schedule, machines.list({ namespace }));
    const { machines: wanted, others } = viewMachines(own, chosen);
    const decision = decideSchedule({ ...reading.wish, nowMs, machines: wanted });
    const { prune } = decideSchedule({ ...reading.wish, nowMs, machines: others, isSuspended: true });
    for (const name of [...decision.prune, ...prune]) await remove({ namespace, name }, signal);
    if (decision.missedMs !== undefined) {
      const message = `The run of ${timeOf(decision.missedMs)} is left out: it would begin later than spec.startingDeadlineSeconds allows`;
      recorder.record(schedule, { type: "Warning", reason: "MissSchedule", message });
    }
    const names = decision.run === undefined ? [] : await take(schedule, decision.run, signal);
    await report(schedule, { wanted, decision, made: names, own, signal });
    return decision.nextMs === undefined
      ? undefined
      : { requeueAfterMs: Math.min(longestWaitMs, Math.max(0, decision.nextMs - nowMs)) };
  }

  /** Gives the names of those that were made. */
  async function take(schedule: VMSnapshotSchedule, run: ScheduleRun, signal: AbortSignal): Promise<readonly string[]> {
    const { namespace = "" } = schedule.metadata;
    for (const name of run.replaced) await remove({ namespace, name }, signal);
    for (const machine of run.leftOut) {
      const message = `No snapshot of VM ${machine} for ${timeOf(run.atMs)}: the last one of this schedule is still being taken`;
      recorder.record(schedule, { type: "Warning", reason: "SnapshotStillActive", message });
    }
    const names: string[] = [];
    for (const machine of run.take) {
      const snapshot = buildSnapshot(schedule, { machine, atMs: run.atMs });
      if (await create(schedule, snapshot, signal)) names.push(snapshot.metadata.name);
    }
    return names;
  }

  async function create(schedule: VMSnapshotSchedule, snapshot: VMSnapshot, signal: AbortSignal): Promise<boolean> {
    const { name, namespace = "" } = snapshot.metadata;
    const refuse = (message: string): false => {
      recorder.record(schedule, { type: "Warning", reason: "SnapshotRefused", message });
      return false;
    };
    try {
      await client.create(VMSnapshot, snapshot, { signal });
    } catch (error) {
      if (isStatus(error, "AlreadyExists")) {
        const there = await client.get(VMSnapshot, { namespace, name }, { signal });
        if (isOfSchedule(there, schedule.metadata.name)) return true;
        return refuse(`VMSnapshot ${name} is there and not of this schedule: rename or delete it`);
      }
      if (!isStatus(error, "Forbidden") && !isStatus(error, "Invalid")) throw error;
      return refuse(`VMSnapshot ${name} was refused: ${error.message}`);
    }
    recorder.record(schedule, {
      type: "Normal",
      reason: "SnapshotCreated",
      message: `Made VMSnapshot ${name} of VM ${snapshot.spec.vmRef.name}`,
    });
    return true;
  }

  async function remove(key: ReconcileRequest, signal: AbortSignal): Promise<void> {
    const uid = snapshots.get(key)?.metadata.uid;
    if (uid === undefined) return;
    try {
      await client.delete(VMSnapshot, key, { uid, signal });
    } catch (error) {
      if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
    }
  }

  async function report(
    schedule: VMSnapshotSchedule,
    facts: {
      readonly wanted: readonly ScheduledMachine[];
      readonly decision: ScheduleDecision;
      readonly made: readonly string[];
      readonly own: readonly VMSnapshot[];
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { wanted, decision, made, own } = facts;
    const replaced = new Set(decision.run?.replaced ?? []);
    const active = wanted.flatMap((machine) =>
      machine.snapshots.filter((each) => each.state === "active" && !replaced.has(each.name)).map(({ name }) => name),
    );
    const taken = own.flatMap(({ status }) => (status?.phase === "Ready" ? (status.completionTime ?? []) : []));
    const last = [...taken, schedule.status?.lastSuccessfulTime ?? ""].sort().at(-1) ?? "";
    const status: VMSnapshotScheduleStatus = {
      ...statusOf(schedule, verdictOf(schedule, wanted, decision)),
      ...(decision.run === undefined ? {} : { lastScheduleTime: timeOf(decision.run.atMs) }),
      ...(decision.missedMs === undefined ? {} : { lastMissedTime: timeOf(decision.missedMs) }),
      ...(last === "" ? {} : { lastSuccessfulTime: last }),
      ...(decision.nextMs === undefined ? {} : { nextScheduleTime: timeOf(decision.nextMs) }),
      machines: wanted.length,
      active: [...new Set([...active, ...made])].sort().map((name) => ({ name })),
    };
    await write(schedule, status, facts.signal);
  }

  function statusOf(schedule: VMSnapshotSchedule, verdict: Verdict): VMSnapshotScheduleStatus {
    const observed = observedGenerationOf(schedule);
    const now = new Date(clock.now());
    const condition = { type: "Ready", ...verdict, ...observed };
    const conditions = setCondition(schedule.status?.conditions, condition, { now });
    const { nextScheduleTime: _, ...kept } = schedule.status ?? {};
    return { ...kept, ...observed, conditions };
  }

  async function write(
    schedule: VMSnapshotSchedule,
    status: VMSnapshotScheduleStatus,
    signal: AbortSignal,
  ): Promise<void> {
    await writeStatus(client, { type: VMSnapshotSchedule, object: schedule, status }, { signal });
  }

  return {
    name: "vm-snapshot-schedule",
    for: VMSnapshotSchedule,
    related: [
      related(VMSnapshot, (snapshot) => {
        const name = snapshot.metadata.labels?.[snapshotScheduleLabel];
        if (name === undefined) return [];
        return snapshotNews.isNews(snapshot) ? [{ namespace: snapshot.metadata.namespace ?? "", name }] : [];
      }),
      related(VirtualMachine, (vm) =>
        machineNews.isNews(vm) ? schedules.list({ namespace: vm.metadata.namespace ?? "" }).map(requestOf) : [],
      ),
    ],
    reconcile,
  };
}

function verdictOf(
  { spec }: VMSnapshotSchedule,
  wanted: readonly ScheduledMachine[],
  { nextMs }: ScheduleDecision,
): Verdict {
  if (spec.suspend === true) {
    return { status: "False", reason: "Suspended", message: "None is taken: spec.suspend is true" };
  }
  if (nextMs === undefined) {
    return { status: "False", reason: "NeverDue", message: `The schedule "${spec.schedule}" has no moment to come` };
  }
  if (wanted.length === 0) {
    const what =
      spec.vmRef === undefined ? "no VM has the labels of spec.selector" : `there is no VM "${spec.vmRef.name}"`;
    return { status: "False", reason: "NoMachines", message: `None is taken: ${what}` };
  }
  const many = wanted.length === 1 ? `VM ${wanted[0]?.name}` : `${wanted.length} VMs`;
  return { status: "True", reason: "Scheduled", message: `Snapshots of ${many}, the next one at ${timeOf(nextMs)}` };
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
