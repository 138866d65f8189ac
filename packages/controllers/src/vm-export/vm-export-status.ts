// A VMExport's status from what was decided and seen. Pure.

import { formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { VMExport, VMExportStatus } from "@vivarium/api";
import { humanSize } from "../human-size.ts";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";
import type { ExportSituation } from "./vm-export-plan.ts";
import type { ExportRecord } from "./vm-export-record.ts";

export function exportStatusOf(
  object: VMExport,
  {
    situation,
    record,
    consistency,
    nowMs,
  }: {
    readonly situation: ExportSituation;
    readonly record: ExportRecord;
    readonly consistency: VMExportStatus["consistency"];
    readonly nowMs: number;
  },
): VMExportStatus {
  const now = new Date(nowMs);
  const observed = observedGenerationOf(object);
  const { percentage: _, path: __, ...kept } = object.status ?? {};
  const verdict = verdictOf(object, situation, record);
  const percentage = percentageOf(situation);
  const { file } = record;
  const isOver = situation.kind === "Succeeded" || situation.kind === "Failed";
  return {
    ...kept,
    phase: phaseOf(situation),
    message: verdict.message,
    startedAt: kept.startedAt ?? formatTime(now),
    ...(percentage === undefined ? {} : { percentage }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(situation.kind === "Succeeded" ? { image: object.spec.target.imageName } : {}),
    ...(file === undefined
      ? {}
      : {
          path: file.path,
          digest: file.digest,
          size: formatQuantity(file.sizeBytes),
          sizeBytes: file.sizeBytes,
          virtualSizeBytes: file.virtualSizeBytes,
        }),
    ...(isOver && kept.finishedAt === undefined ? { finishedAt: formatTime(now) } : {}),
    record: { ...record },
    ...observed,
    conditions: setCondition(kept.conditions, { type: "Complete", ...verdict, ...observed }, { now }),
  };
}

function phaseOf(situation: ExportSituation): NonNullable<VMExportStatus["phase"]> {
  switch (situation.kind) {
    case "Stopping":
    case "Copying":
    case "Compressing":
    case "Succeeded":
    case "Failed":
      return situation.kind;
    case "Waiting":
      return "Compressing";
    case "DeleteWaits":
    case "Gone":
      return "Deleting";
  }
}

function percentageOf(situation: ExportSituation): number | undefined {
  switch (situation.kind) {
    case "Copying":
      return situation.percentage;
    case "Compressing":
      return situation.progress?.percentage ?? 0;
    case "Succeeded":
      return 100;
    default:
      return undefined;
  }
}

const steps = {
  Copying: "The copied disk is being read",
  Compressing: "The copied disk is being compressed",
  Verifying: "What was compressed is compared with the copied disk",
} as const;

function verdictOf({ spec }: VMExport, situation: ExportSituation, { failure, file }: ExportRecord): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Stopping":
      return no("Stopping", `VM "${spec.vmRef.name}" is being shut down`);
    case "Copying":
      return no("Copying", situation.message);
    case "Compressing":
      return no("Compressing", steps[situation.progress?.step ?? "Copying"]);
    case "Waiting":
      return no(situation.reason, situation.message);
    case "Failed":
      return no(failure?.reason ?? "Failed", failure?.message ?? "It could not be made");
    case "DeleteWaits":
      return no("InUse", `VMImage "${spec.target.imageName}" is read from its file: delete that first`);
    case "Gone":
      return no("Deleting", "It goes");
    case "Succeeded": {
      const { imageName } = spec.target;
      const size = file === undefined ? "" : `, ${humanSize(file.sizeBytes)}`;
      const message = situation.hasImage
        ? `VMImage "${imageName}" is registered${size}`
        : `VMImage "${imageName}" was registered, and deleted since`;
      return { status: "True", reason: situation.hasImage ? "Registered" : "ImageDeleted", message };
    }
  }
}
