// A VMTemplate's status from what was decided and seen. Pure.

import { formatDuration, formatTime, setCondition } from "@vivarium/api";
import type { VMSnapshot, VMTemplate, VMTemplateStatus } from "@vivarium/api";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import type { TemplateSituation } from "./vm-template-plan.ts";
import type { TemplateRecord } from "./vm-template-record.ts";

export interface TemplateStatusInput {
  readonly situation: TemplateSituation;
  readonly record: TemplateRecord;
  readonly sourceName: string;
  readonly snapshot: VMSnapshot | undefined;
  readonly usedBy: readonly string[];
  readonly nowMs: number;
}

export function templateStatusOf(template: VMTemplate, input: TemplateStatusInput): VMTemplateStatus {
  const { situation, record, snapshot, usedBy, nowMs } = input;
  const observed = observedGenerationOf(template);
  const now = new Date(nowMs);
  const { progress: _, usedBy: __, ...kept } = template.status ?? {};
  const verdict = verdictOf(situation, record);
  const consistency = kept.consistency ?? snapshot?.status?.consistency;
  return {
    ...kept,
    phase: phaseOf(situation),
    message: verdict.message,
    source: kept.source ?? input.sourceName,
    ...(consistency === undefined ? {} : { consistency }),
    ...(situation.kind === "Ready" && kept.completionTime === undefined ? { completionTime: formatTime(now) } : {}),
    ...(situation.kind === "Copying" ? { progress: progressOf(situation, nowMs) } : {}),
    ...(usedBy.length === 0 ? {} : { usedBy: [...usedBy] }),
    record: { ...record },
    ...observed,
    conditions: setCondition(kept.conditions, { type: "Ready", ...verdict, ...observed }, { now }),
  };
}

function phaseOf(situation: TemplateSituation): NonNullable<VMTemplateStatus["phase"]> {
  switch (situation.kind) {
    case "Waiting":
      return "Pending";
    case "Preparing":
    case "Copying":
    case "Ready":
    case "Failed":
    case "Deleting":
      return situation.kind;
    case "DeleteWaits":
    case "Gone":
      return "Deleting";
  }
}

function verdictOf(situation: TemplateSituation, { failure }: TemplateRecord): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Ready":
      return { status: "True", reason: "Ready", message: "Machines can be made of it" };
    case "Failed":
      return no(failure?.reason ?? "Failed", failure?.message ?? "It could not be made");
    case "Waiting":
    case "DeleteWaits":
      return no(situation.reason, situation.message);
    case "Preparing":
      return no("Preparing", situation.message);
    case "Copying":
      return no("Copying", "The disks are being copied");
    case "Deleting":
    case "Gone":
      return no("Deleting", "Its disks are being removed");
  }
}

function progressOf(
  { progress, startedMs }: Extract<TemplateSituation, { kind: "Copying" }>,
  nowMs: number,
): NonNullable<VMTemplateStatus["progress"]> {
  if (progress === undefined || progress.totalDisks === 0) return { percentage: 0 };
  const { doneDisks, totalDisks, diskDoneBytes, diskTotalBytes } = progress;
  const current = doneDisks < totalDisks && diskTotalBytes > 0 ? Math.min(1, diskDoneBytes / diskTotalBytes) : 0;
  const done = Math.min(1, (doneDisks + current) / totalDisks);
  return {
    percentage: Math.floor(100 * done),
    ...(done > 0 && done < 1 ? { eta: formatDuration(((nowMs - startedMs) * (1 - done)) / done) } : {}),
  };
}
