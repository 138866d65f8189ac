// What is remembered of an export across restarts; only the VMExport controller writes it.

import type { VirtualMachineSpec, VMExport } from "@vivarium/api";
import type { ExportedFile, PackagedMachine } from "@vivarium/images";
import type { ExportInput } from "./vm-export-plan.ts";

export interface ExportRecord {
  readonly stage: ExportInput["stage"];
  /** What the machine's spec said before it was stopped for this. */
  readonly restart?: NonNullable<VirtualMachineSpec["powerState"]>;
  /** What the machine was when it was copied. */
  readonly hardware?: Omit<PackagedMachine, "name">;
  readonly file?: ExportedFile;
  readonly failure?: { readonly reason: string; readonly message: string };
}

const stages: readonly ExportInput["stage"][] = [
  "none",
  "stopping",
  "copying",
  "writing",
  "written",
  "registered",
  "kept",
  "dropped",
  "failed",
];

export function exportRecordOf({ status }: Pick<VMExport, "status">): ExportRecord {
  const record: Partial<ExportRecord> = status?.record ?? {};
  return { ...record, stage: stages.find((each) => each === record.stage) ?? "none" };
}
