// What a VMSet says of itself: counts, the machines one by one, and where a rollout stands. Pure.

import { findCondition, formatTime, setCondition, type VMSet, type VMSetStatus } from "@vivarium/api";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import { formatSelector } from "./label-selector.ts";
import { unmetGates } from "./vm-set-gates.ts";
import type { ReplicaView } from "./vm-set-machines.ts";
import type { VmSetWish } from "./vm-set-input.ts";

export interface VmSetFacts {
  readonly nowMs: number;
  readonly wish: VmSetWish;
  readonly machines: readonly ReplicaView[];
  readonly currentRevision: string;
  readonly updateRevision: string;
  /** Absent when all is as declared. */
  readonly waitingFor: string | undefined;
  /** Why a machine could not be made. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
}

type UpdateStatus = NonNullable<VMSetStatus["updateStatus"]>;

export function statusOf(set: VMSet, facts: VmSetFacts): VMSetStatus {
  const { machines, updateRevision, currentRevision, nowMs, wish } = facts;
  const old = set.status;
  const living = machines.filter((each) => !each.isTerminating);
  const count = (isCounted: (each: ReplicaView) => boolean): number => living.filter(isCounted).length;
  const counts = {
    replicas: living.length,
    readyReplicas: count((each) => each.isReady),
    availableReplicas: count((each) => each.isAvailable),
    currentReplicas: count((each) => each.revision === currentRevision),
    updatedReplicas: count((each) => each.revision === updateRevision),
  };
  const now = formatTime(new Date(nowMs));
  const hasMoved =
    old?.updateRevision !== updateRevision ||
    old.observedGeneration !== set.metadata.generation ||
    Object.entries(counts).some(([name, value]) => old[name as keyof typeof counts] !== value);
  const lastProgressTime = hasMoved ? now : (old.lastProgressTime ?? now);
  const isLate =
    facts.waitingFor !== undefined && !wish.isPaused && nowMs >= Date.parse(lastProgressTime) + progressDeadlineMs(set);
  const observed = observedGenerationOf(set);
  const verdicts: Record<string, Verdict> = {
    Available: availableVerdict(facts, counts.availableReplicas),
    Progressing: progressVerdict(facts, isLate),
    Ready: readyVerdict(facts, counts),
    ReplicaFailure:
      facts.failure === undefined
        ? { status: "False", reason: "NoFailure", message: "Every machine that was to be made was made" }
        : { status: "True", ...facts.failure },
  };
  let conditions = old?.conditions;
  for (const [type, verdict] of Object.entries(verdicts)) {
    conditions = setCondition(conditions, { type, ...verdict, ...observed }, { now: new Date(nowMs) });
  }
  return {
    ...counts,
    collisionCount: 0,
    currentRevision,
    updateRevision,
    selector: formatSelector(set.spec.selector),
    lastProgressTime,
    updateStatus: updateStatusOf(old, facts, { isLate, now }),
    vmStatus: [...machines].sort((a, b) => a.ordinal - b.ordinal).map(vmStatusOf),
    ...observed,
    conditions: conditions ?? [],
  };
}

/** When nothing is changed until the spec is. */
export function refusedStatus(
  set: VMSet,
  { reason, message, nowMs }: { readonly reason: string; readonly message: string; readonly nowMs: number },
): VMSetStatus {
  const observed = observedGenerationOf(set);
  const condition = { type: "Ready", status: "False" as const, reason, message, ...observed };
  return {
    ...set.status,
    selector: formatSelector(set.spec.selector),
    ...observed,
    conditions: setCondition(set.status?.conditions, condition, { now: new Date(nowMs) }),
  };
}

/** When the rollout will have stood still for too long; undefined when nothing is waited for. */
export function deadlineOf(set: VMSet, status: VMSetStatus): number | undefined {
  const isOpen = status.updateStatus?.phase === "InProgress" || status.updateStatus?.phase === "Pending";
  return isOpen ? Date.parse(status.lastProgressTime ?? "") + progressDeadlineMs(set) : undefined;
}

function progressDeadlineMs({ spec }: VMSet): number {
  return (spec.progressDeadlineSeconds ?? 1800) * 1000;
}

function availableVerdict({ wish }: VmSetFacts, available: number): Verdict {
  const needed = Math.max(0, wish.replicas - wish.limits.maxUnavailable);
  return available >= needed
    ? { status: "True", reason: "MinimumAvailable", message: `${available} of ${wish.replicas} machines are available` }
    : {
        status: "False",
        reason: "MinimumUnavailable",
        message: `${available} of ${wish.replicas} machines are available, at least ${needed} shall be`,
      };
}

function progressVerdict({ wish, waitingFor, machines, updateRevision }: VmSetFacts, isLate: boolean): Verdict {
  if (wish.isPaused && machines.some((each) => each.revision !== updateRevision)) {
    return { status: "Unknown", reason: "Paused", message: "The rollout is paused: spec.paused is true" };
  }
  if (waitingFor === undefined) {
    return { status: "True", reason: "Complete", message: "All machines are up to date and available" };
  }
  return isLate
    ? {
        status: "False",
        reason: "ProgressDeadlineExceeded",
        message: `Nothing has moved for too long; waiting for ${waitingFor}`,
      }
    : { status: "True", reason: "Working", message: `Waiting for ${waitingFor}` };
}

function readyVerdict(
  { wish, waitingFor, failure }: VmSetFacts,
  { availableReplicas, updatedReplicas }: { readonly availableReplicas: number; readonly updatedReplicas: number },
): Verdict {
  if (failure !== undefined) return { status: "False", ...failure };
  if (waitingFor === undefined) {
    return { status: "True", reason: "AllAvailable", message: `All ${wish.replicas} machines are available` };
  }
  return {
    status: "False",
    reason: updatedReplicas < wish.replicas ? "Updating" : "WaitingForMachines",
    message: `${availableReplicas} of ${wish.replicas} machines are available; waiting for ${waitingFor}`,
  };
}

function updateStatusOf(
  old: VMSetStatus | undefined,
  facts: VmSetFacts,
  { isLate, now }: { readonly isLate: boolean; readonly now: string },
): UpdateStatus {
  const { machines, updateRevision, waitingFor, wish } = facts;
  const living = machines.filter((each) => !each.isTerminating);
  const updated = living.filter((each) => each.revision === updateRevision);
  const pending = living.filter((each) => each.revision !== updateRevision);
  const failed = updated.filter((each) => !each.isReady && each.vm.status?.phase === "Failed");
  const isSame = old?.updateRevision === updateRevision;
  const phase = ((): UpdateStatus["phase"] => {
    if (waitingFor === undefined) return pending.length > 0 && wish.isPaused ? "Paused" : "Completed";
    if (isLate) return "Failed";
    if (wish.isPaused && pending.length > 0) return "Paused";
    return living.length === 0 ? "Pending" : "InProgress";
  })();
  const startTime = (isSame ? old.updateStatus?.startTime : undefined) ?? now;
  const names = (list: readonly ReplicaView[]): string[] => list.map(({ name }) => name).sort();
  return {
    phase,
    ...(waitingFor === undefined ? {} : { message: `Waiting for ${waitingFor}` }),
    startTime,
    ...(phase === "Completed" && {
      completionTime: (isSame ? old.updateStatus?.completionTime : undefined) ?? now,
    }),
    updatedVMs: names(updated),
    ...(pending.length > 0 && { pendingVMs: names(pending) }),
    ...(failed.length > 0 && {
      failedVMs: failed.map(({ name, vm }) => {
        const { reason = "", message = "" } = findCondition(vm.status?.conditions, "Ready") ?? {};
        return { name, reason, message };
      }),
    }),
  };
}

function vmStatusOf({ vm, isReady, revision, gates }: ReplicaView): NonNullable<VMSetStatus["vmStatus"]>[number] {
  const { name, deletionTimestamp, creationTimestamp } = vm.metadata;
  const message = isReady ? undefined : whyNotReady({ vm, gates });
  const phase = deletionTimestamp === undefined ? vm.status?.phase : "Deleting";
  return {
    name,
    ...(phase === undefined ? {} : { phase }),
    ready: isReady,
    revision,
    ...(creationTimestamp === undefined ? {} : { creationTime: creationTimestamp }),
    ...(message === undefined ? {} : { message }),
    ...(gates.length === 0
      ? {}
      : {
          gates: gates.map((gate) => ({
            name: gate.name,
            met: gate.isMet,
            reason: gate.reason,
            message: gate.message,
            lastTransitionTime: formatTime(new Date(gate.sinceMs)),
          })),
        }),
  };
}

/** What a machine says about itself, or which gates it does not meet. */
export function whyNotReady({ vm, gates }: Pick<ReplicaView, "vm" | "gates">): string | undefined {
  const unmet = unmetGates(gates);
  return unmet === "" ? findCondition(vm.status?.conditions, "Ready")?.message : unmet;
}
