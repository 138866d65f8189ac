// A VMExport's status from what was decided and seen. Pure.

import { formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { ExportFormat, VMExport, VMExportStatus } from "@vivarium/api";
import type { ExportedFile } from "@vivarium/images";
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
  const { percentage: _, path: __, format: ___, ...kept } = object.status ?? {};
  const verdict = verdictOf(object, situation, record);
  const percentage = percentageOf(situation);
  const file = situation.kind === "Failed" ? undefined : record.file;
  const complete = setCondition(kept.conditions, { type: "Complete", ...verdict, ...observed }, { now });
  const { verified } = record;
  const { imageName } = object.spec.target;
  const isOver = situation.kind === "Succeeded" || situation.kind === "Failed";
  return {
    ...kept,
    phase: phaseOf(situation),
    message: verdict.message,
    startedAt: kept.startedAt ?? formatTime(now),
    ...(percentage === undefined ? {} : { percentage }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(situation.kind === "Succeeded" && imageName !== undefined ? { image: imageName } : {}),
    ...(file === undefined
      ? {}
      : {
          path: file.path,
          format: formatOf(object),
          digest: file.digest,
          size: formatQuantity(file.sizeBytes),
          sizeBytes: file.sizeBytes,
          virtualSizeBytes: file.virtualSizeBytes,
        }),
    ...(isOver && kept.finishedAt === undefined ? { finishedAt: formatTime(now) } : {}),
    record: { ...record },
    ...observed,
    conditions:
      verified === undefined
        ? complete
        : setCondition(complete, { type: "Verified", ...verified, ...observed }, { now }),
  };
}

/** What its file is, or will be. */
export function formatOf({ spec }: VMExport): ExportFormat {
  return spec.target.file?.format ?? "qcow2";
}

function phaseOf(situation: ExportSituation): NonNullable<VMExportStatus["phase"]> {
  switch (situation.kind) {
    case "Stopping":
    case "Copying":
    case "Compressing":
    case "Verifying":
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
  Packing: "The disk is being packed with what is told of the machine",
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
    case "Verifying":
      return no("Verifying", situation.message);
    case "Waiting":
      return no(situation.reason, situation.message);
    case "Failed":
      return no(failure?.reason ?? "Failed", failure?.message ?? "It could not be made");
    case "DeleteWaits":
      return no("InUse", `VMImage "${spec.target.imageName ?? ""}" is read from its file: delete that first`);
    case "Gone":
      return no("Deleting", "It goes");
    case "Succeeded":
      return { status: "True", ...madeOf(spec, situation.isThere ? file : undefined) };
  }
}

function madeOf({ target }: VMExport["spec"], file: ExportedFile | undefined): Omit<Verdict, "status"> {
  if (target.imageName !== undefined) {
    const image = `VMImage "${target.imageName}"`;
    return file === undefined
      ? { reason: "ImageDeleted", message: `${image} was registered, and deleted since` }
      : { reason: "Registered", message: `${image} is registered, ${humanSize(file.sizeBytes)}` };
  }
  return file === undefined
    ? { reason: "FileRemoved", message: "The file was made, and removed when it had been kept for long enough" }
    : { reason: "FileMade", message: `The file is made, ${humanSize(file.sizeBytes)}` };
}
