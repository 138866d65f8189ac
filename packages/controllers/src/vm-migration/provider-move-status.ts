// The status of a migration to another Provider, from what was decided. Pure.

import { formatDuration, formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { VMMigration, VMMigrationStatus } from "@vivarium/api";
import type { ExportedDisk, MoveProgress } from "@vivarium/provider";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import type { ProviderMoveOutcome, ProviderMoveSituation } from "./provider-move-plan.ts";
import { targetKeyOf } from "./provider-move-target.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export type ProviderMoveNews =
  | Extract<ProviderMoveSituation, { kind: "UnderWay" }>
  | { readonly kind: "Snapshot"; readonly name: string }
  | { readonly kind: "Copied"; readonly disks: readonly ExportedDisk[] }
  | { readonly kind: "End"; readonly outcome: ProviderMoveOutcome };

type Phase = NonNullable<VMMigrationStatus["phase"]>;

export function providerMoveStatusOf(
  object: VMMigration,
  {
    news,
    record,
    nowMs,
    targetId,
  }: {
    readonly news: ProviderMoveNews;
    readonly record: MigrationRecord;
    readonly nowMs: number;
    readonly targetId?: string;
  },
): VMMigrationStatus {
  const observed = observedGenerationOf(object);
  const { progress: _, blockers: __, ...kept } = object.status ?? {};
  const { phase, ready } = judge(news, targetKeyOf(object).name);
  const timeOf = (ms: number): string => formatTime(new Date(ms));
  const startedMs = record.startedAtMs ?? nowMs;
  return {
    ...kept,
    phase,
    message: ready.message,
    startTime: timeOf(startedMs),
    ...(news.kind === "End" ? { completionTime: timeOf(nowMs) } : {}),
    ...(news.kind === "Snapshot" ? { snapshotRef: news.name } : {}),
    ...(news.kind === "Copied" ? copiedOf(news.disks) : {}),
    ...(news.kind === "End" && news.outcome.kind === "Blocked"
      ? { blockers: news.outcome.blockers.map(({ reason, message }) => ({ reason, message })) }
      : {}),
    ...(record.hasCopied === true ? { targetVMRef: { name: targetKeyOf(object).name } } : {}),
    ...(targetId === undefined ? {} : { targetVMID: targetId }),
    progress: {
      currentPhase: phase,
      ...(news.kind === "UnderWay" && news.progress !== undefined
        ? figuresOf(news.progress, { startedMs, nowMs })
        : { percentage: record.hasCopied === true ? 100 : 0 }),
    },
    record: { ...record },
    ...observed,
    conditions: setCondition(kept.conditions, { type: "Ready", ...ready, ...observed }, { now: new Date(nowMs) }),
  };
}

function judge(news: ProviderMoveNews, name: string): { readonly phase: Phase; readonly ready: Verdict } {
  const going = (phase: Phase, message: string) =>
    ({ phase, ready: { status: "False", reason: phase, message } }) as const;
  switch (news.kind) {
    case "UnderWay":
      return going(news.phase, news.message);
    case "Snapshot":
      return going("Snapshotting", "The snapshot is being taken");
    case "Copied":
      return going("Creating", `The disks are there; VirtualMachine "${name}" is made of them`);
    case "End": {
      const { outcome } = news;
      switch (outcome.kind) {
        case "Moved":
          return {
            phase: "Ready",
            ready: { status: "True", reason: "Moved", message: `VirtualMachine "${name}" is there` },
          };
        case "Cancelled":
          return {
            phase: "Cancelled",
            ready: { status: "False", reason: "Cancelled", message: "It was given up; the machine is as it was" },
          };
        case "Blocked": {
          const message = `Nothing was moved: ${outcome.blockers.map((each) => each.message).join("; ")}`;
          return { phase: "Failed", ready: { status: "False", reason: "Blocked", message } };
        }
        case "Failed":
          return { phase: "Failed", ready: { status: "False", reason: outcome.reason, message: outcome.message } };
      }
    }
  }
}

function copiedOf(disks: readonly ExportedDisk[]): Partial<VMMigrationStatus> {
  const root = disks.find(({ name }) => name === "root") ?? disks[0];
  return {
    disks: disks.map(({ name, volume, sentBytes, checksum }) => ({ name, volume, sizeBytes: sentBytes, checksum })),
    ...(root === undefined
      ? {}
      : {
          diskInfo: {
            sourceFormat: "qcow2",
            targetFormat: "qcow2",
            targetDiskID: root.volume,
            sourceSize: formatQuantity(root.sizeBytes),
            targetSize: formatQuantity(root.sizeBytes),
            checksum: root.checksum,
          },
        }),
    validationResults: { diskSizeMatch: true, checksumMatch: true },
  };
}

function figuresOf(
  { doneBytes, totalBytes }: MoveProgress,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
): NonNullable<VMMigrationStatus["progress"]> {
  const rate = nowMs > startedMs ? (doneBytes * 1000) / (nowMs - startedMs) : 0;
  return {
    totalBytes,
    transferredBytes: doneBytes,
    percentage: totalBytes > 0 ? Math.min(99, Math.floor((100 * doneBytes) / totalBytes)) : 0,
    ...(rate > 0
      ? { transferRate: Math.round(rate), eta: formatDuration((Math.max(0, totalBytes - doneBytes) / rate) * 1000) }
      : {}),
  };
}
