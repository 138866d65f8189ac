// What is remembered of an export across restarts; only the VMExport controller writes it.

import type { VirtualMachineSpec, VMExport } from "@vivarium/api";
import type { ExportedFile, PackagedMachine } from "@vivarium/images";
import type { ProviderKey } from "../provider-registry.ts";
import type { Verdict } from "../verdict.ts";
import type { ExportInput } from "./vm-export-plan.ts";

export interface ExportRecord {
  readonly stage: ExportInput["stage"];
  /** What the machine's spec said before it was stopped for this. */
  readonly restart?: NonNullable<VirtualMachineSpec["powerState"]>;
  /** What the machine was when it was copied. */
  readonly hardware?: Omit<PackagedMachine, "name">;
  readonly classRef?: NonNullable<VirtualMachineSpec["classRef"]>;
  /** Where the copy of its disk lay, and what was made of it is booted. */
  readonly on?: ProviderKey;
  readonly file?: ExportedFile;
  readonly writtenMs?: number;
  readonly verified?: Verdict;
  readonly failure?: { readonly reason: string; readonly message: string };
}

const stages: readonly ExportInput["stage"][] = [
  "none",
  "stopping",
  "copying",
  "writing",
  "written",
  "verified",
  "registered",
  "kept",
  "dropped",
  "failed",
];

export function exportRecordOf({ status }: Pick<VMExport, "status">): ExportRecord {
  const record: Partial<ExportRecord> = status?.record ?? {};
  return { ...record, stage: stages.find((each) => each === record.stage) ?? "none" };
}
