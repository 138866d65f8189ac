// The status of a move to another host, from what was decided. Pure.

import { formatDuration, formatTime, setCondition } from "@vivarium/api";
import type { VMMigration, VMMigrationStatus } from "@vivarium/api";
import type { MoveProgress } from "@vivarium/provider";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import type { Blocker, MoveOutcome, MoveSituation } from "./host-move-plan.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export type MoveNews =
  | { readonly kind: "Began" }
  | { readonly kind: "End"; readonly outcome: MoveOutcome }
  | Exclude<MoveSituation, { kind: "Ended" }>;

export interface MoveStatusInput {
  readonly news: MoveNews;
  readonly record: MigrationRecord;
  readonly from?: string;
  readonly to: string;
  readonly mode?: VMMigrationStatus["mode"];
  readonly storage?: VMMigrationStatus["storage"];
  readonly downtimeMs?: number;
  readonly nowMs: number;
}

type Phase = NonNullable<VMMigrationStatus["phase"]>;

export function moveStatusOf(object: VMMigration, input: MoveStatusInput): VMMigrationStatus {
  const { news, record, from, to, mode, storage, downtimeMs, nowMs } = input;
  const observed = observedGenerationOf(object);
  const { progress: oldProgress, blockers: _, nextAttemptTime: __, ...kept } = object.status ?? {};
  const phase = phaseOf(news);
  const ready = readyOf(news, { from: from ?? kept.sourceHost ?? "", to });
  const isOver = news.kind === "End";
  const blockers = blockersOf(news);
  const progress = progressOf(news, { phase, nowMs, old: oldProgress });
  return {
    ...kept,
    phase,
    message: ready.message,
    ...(record.startedAtMs === undefined ? {} : { startTime: timeOf(record.startedAtMs) }),
    ...(isOver ? { completionTime: timeOf(nowMs) } : {}),
    ...(from === undefined ? {} : { sourceHost: from }),
    targetHost: to,
    ...(mode === undefined ? {} : { mode }),
    ...(storage === undefined ? {} : { storage }),
    ...(downtimeMs === undefined ? {} : { downtime: `${Math.round(downtimeMs)}ms` }),
    ...(blockers.length === 0 ? {} : { blockers: blockers.map(({ reason, message }) => ({ reason, message })) }),
    ...(record.failedAttempts === 0 ? {} : { retryCount: record.failedAttempts }),
    ...(news.kind === "Retrying" ? { nextAttemptTime: timeOf(news.atMs) } : {}),
    ...(progress === undefined ? {} : { progress }),
    record: { ...record },
    ...observed,
    conditions: setCondition(kept.conditions, { type: "Ready", ...ready, ...observed }, { now: new Date(nowMs) }),
  };
}

function phaseOf(news: MoveNews): Phase {
  switch (news.kind) {
    case "Waiting":
      return "Pending";
    case "Retrying":
      return "Pending";
    case "Began":
    case "Moving":
      return "Transferring";
    case "Unsettled":
      return "Validating-Target";
    case "End":
      switch (news.outcome.kind) {
        case "Moved":
        case "AlreadyThere":
          return "Ready";
        case "Cancelled":
          return "Cancelled";
        case "Blocked":
        case "Failed":
          return "Failed";
      }
  }
}

function readyOf(news: MoveNews, hosts: { readonly from: string; readonly to: string }): Verdict {
  const { from, to } = hosts;
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (news.kind) {
    case "Waiting":
      return no(news.reason, news.message);
    case "Began":
    case "Moving":
      return no("Transferring", `The machine is moved from host "${from}" to host "${to}"`);
    case "Unsettled":
      return {
        status: "Unknown",
        reason: "Unsettled",
        message: `On which host the machine is, is being found out; it is left alone until then: ${news.message}`,
      };
    case "Retrying":
      return no("RetryingMigration", `It is tried again at ${timeOf(news.atMs)}: ${news.failure.message}`);
    case "End":
      return outcomeReady(news.outcome, hosts);
  }
}

function outcomeReady(outcome: MoveOutcome, { from, to }: { readonly from: string; readonly to: string }): Verdict {
  switch (outcome.kind) {
    case "Moved":
      return { status: "True", reason: "Moved", message: `The machine is on host "${to}"` };
    case "AlreadyThere":
      return { status: "True", reason: "AlreadyThere", message: `The machine was on host "${to}" already` };
    case "Cancelled":
      return { status: "False", reason: "Cancelled", message: `It was given up; the machine is on host "${from}"` };
    case "Blocked": {
      const all = outcome.blockers.map(({ message }) => message).join("; ");
      return { status: "False", reason: "Blocked", message: `Nothing was moved: ${all}` };
    }
    case "Failed":
      return { status: "False", reason: outcome.reason, message: outcome.message };
  }
}

function blockersOf(news: MoveNews): readonly Blocker[] {
  if (news.kind === "Waiting") return news.blockers ?? [];
  return news.kind === "End" && news.outcome.kind === "Blocked" ? news.outcome.blockers : [];
}

function progressOf(
  news: MoveNews,
  { phase, nowMs, old }: { readonly phase: Phase; readonly nowMs: number; readonly old: VMMigrationStatus["progress"] },
): VMMigrationStatus["progress"] {
  if (news.kind === "End" && news.outcome.kind === "Moved") {
    const { eta: _, ...rest } = old ?? {};
    return { ...rest, currentPhase: phase, percentage: 100 };
  }
  if (news.kind === "Began") return { currentPhase: phase, percentage: 0, phaseStartTime: timeOf(nowMs) };
  if (news.kind !== "Moving") return undefined;
  const began = { currentPhase: phase, phaseStartTime: timeOf(news.startedMs) };
  const { progress } = news;
  return progress === undefined ? { ...began, percentage: 0 } : { ...began, ...figuresOf(progress) };
}

function figuresOf({
  doneBytes,
  totalBytes,
  bytesPerSecond,
}: MoveProgress): NonNullable<VMMigrationStatus["progress"]> {
  const leftMs =
    bytesPerSecond === undefined || bytesPerSecond <= 0
      ? undefined
      : (Math.max(0, totalBytes - doneBytes) / bytesPerSecond) * 1000;
  return {
    totalBytes,
    transferredBytes: doneBytes,
    ...(bytesPerSecond === undefined ? {} : { transferRate: Math.round(bytesPerSecond) }),
    // All of it only counts as done when the machine is there.
    percentage: totalBytes > 0 ? Math.min(99, Math.floor((100 * doneBytes) / totalBytes)) : 0,
    ...(leftMs === undefined ? {} : { eta: formatDuration(leftMs) }),
  };
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
