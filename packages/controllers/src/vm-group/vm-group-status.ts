// What a VMGroup says of itself. Pure.

import {
  findCondition,
  formatTime,
  setCondition,
  type VirtualMachine,
  type VMGroup,
  type VMGroupStatus,
} from "@vivarium/api";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import type { GroupReading } from "./vm-group-members.ts";
import type { GroupDecision, GroupOperation } from "./vm-group-plan.ts";

export interface GroupFacts {
  readonly nowMs: number;
  readonly reading: GroupReading;
  readonly machine: (name: string) => VirtualMachine | undefined;
  readonly operation: GroupOperation | undefined;
}

export function groupStatusOf(group: VMGroup, { nowMs, reading, machine, operation }: GroupFacts): VMGroupStatus {
  const names = reading.ok
    ? reading.members.map(({ name }) => name)
    : (group.spec.members ?? []).map(({ name }) => name);
  const members = names.map((name) => memberStatusOf(name, machine(name)));
  const observed = observedGenerationOf(group);
  let { conditions } = group.status ?? {};
  const verdicts: Record<string, Verdict> = {
    Ready: readyVerdict(reading, members, machine),
    ...(operation === undefined ? {} : { OperationComplete: operationVerdict(operation) }),
  };
  for (const [type, verdict] of Object.entries(verdicts)) {
    conditions = setCondition(conditions, { type, ...verdict, ...observed }, { now: new Date(nowMs) });
  }
  return {
    total: members.filter(({ phase }) => phase !== "Absent").length,
    running: names.filter((name) => machine(name)?.status?.powerState === "On").length,
    ready: members.filter(({ ready }) => ready).length,
    members,
    ...(operation === undefined ? {} : { operation }),
    ...observed,
    conditions: conditions ?? [],
  };
}

type MemberStatus = NonNullable<VMGroupStatus["members"]>[number];

function memberStatusOf(name: string, vm: VirtualMachine | undefined): MemberStatus {
  if (vm === undefined) return { name, phase: "Absent", ready: false };
  const ready = findCondition(vm.status?.conditions, "Ready");
  const isReady = ready?.status === "True";
  const phase = vm.metadata.deletionTimestamp === undefined ? (vm.status?.phase ?? "Pending") : "Deleting";
  const message = isReady || ready === undefined ? "" : ready.message;
  return { name, phase, ready: isReady, ...(message === "" ? {} : { message }) };
}

function readyVerdict(
  reading: GroupReading,
  members: readonly MemberStatus[],
  machine: (name: string) => VirtualMachine | undefined,
): Verdict {
  if (!reading.ok) return { status: "False", reason: "InvalidSpec", message: `spec.members: ${reading.message}` };
  if (members.length === 0) return { status: "False", reason: "NoMembers", message: "The group has no VM" };
  const shallRun = (name: string): boolean => (machine(name)?.spec.powerState ?? "On") === "On";
  const notReady = members.filter(({ name, ready }) => !ready && shallRun(name)).map(({ name }) => name);
  return notReady.length === 0
    ? { status: "True", reason: "AllReady", message: "Every VM that shall run is Ready" }
    : { status: "False", reason: "NotReady", message: `Not Ready: ${notReady.join(", ")}` };
}

function operationVerdict({ phase, message = "" }: GroupOperation): Verdict {
  switch (phase) {
    case "Running":
      return { status: "Unknown", reason: phase, message };
    case "Succeeded":
      return { status: "True", reason: phase, message };
    case "PartiallyFailed":
    case "Failed":
      return { status: "False", reason: phase, message };
  }
}

/** The operation after a decision. */
export function operationAfter(operation: GroupOperation, decision: GroupDecision, nowMs: number): GroupOperation {
  const uids = new Map(operation.members.map(({ name, uid }) => [name, uid]));
  const members = decision.members.map(({ name, state, sinceMs, message }) => {
    const uid = uids.get(name);
    return {
      name,
      ...(uid === undefined ? {} : { uid }),
      state,
      ...(sinceMs === undefined ? {} : { since: formatTime(new Date(sinceMs)) }),
      ...(message === undefined ? {} : { message }),
    };
  });
  const { phase } = decision;
  const { id, action, startTime } = operation;
  const after = { id, action, phase, startTime, members, message: sentenceOf(action, members) };
  return phase === "Running" ? after : { ...after, completionTime: formatTime(new Date(nowMs)) };
}

function sentenceOf(action: GroupOperation["action"], members: GroupOperation["members"]): string {
  const done = members.filter(({ state }) => state === "Done").length;
  const failed = members.filter(({ state }) => state === "Failed" || state === "Skipped");
  const wanted = { Start: "started", Stop: "stopped", Snapshot: "snapshotted", Delete: "deleted" }[action];
  if (members.length === 0) return "The group has no VM";
  const why = failed.map(({ name, message }) => `${name}: ${message ?? "not done"}`);
  return [`${done} of ${members.length} VMs ${wanted}`, ...why].join("; ");
}
