// What a VMExport, its machine and the copy of that machine's disks tell the policy. Pure.

import { parseDuration } from "@vivarium/api";
import type { VirtualMachine, VMExport, VMTemplate } from "@vivarium/api";
import type { ExportInput, ExportSituation } from "./vm-export-plan.ts";
import type { ExportRecord } from "./vm-export-record.ts";

export function targetOf({ spec: { target } }: VMExport): ExportInput["target"] {
  if ((target.imageName === undefined) === (target.file === undefined)) return undefined;
  return target.file === undefined ? "image" : "file";
}

export function keptUntilMs({ spec, status }: VMExport): number {
  const since = status?.finishedAt === undefined ? Infinity : Date.parse(status.finishedAt);
  return since + parseDuration(spec.target.file?.keepFor ?? "24h");
}

export function viewMachine(machine: VirtualMachine | undefined): ExportInput["machine"] {
  if (machine === undefined) return { kind: "gone" };
  const { spec, status } = machine;
  const isOff = status?.powerState === "Off" || status?.powerState === "Suspended";
  const wish = spec.powerState === "OffGraceful" ? "stop" : spec.powerState === "Off" ? "off" : "run";
  return { kind: "there", isOff, wish };
}

export function viewCopy(template: VMTemplate | undefined): ExportInput["copy"] {
  if (template === undefined) return { kind: "none" };
  if (template.metadata.deletionTimestamp !== undefined) return { kind: "going" };
  const { phase, message = "The disks are about to be copied", progress } = template.status ?? {};
  if (phase === "Ready") return { kind: "ready" };
  if (phase === "Failed") return { kind: "failed", message };
  return { kind: "making", message, percentage: progress?.percentage ?? 0 };
}

/** What goes on when the machine has been started again. */
export function situationOf({ stage }: ExportRecord): ExportSituation {
  switch (stage) {
    case "failed":
      return { kind: "Failed" };
    case "registered":
    case "kept":
    case "dropped":
      return { kind: "Succeeded", isThere: stage !== "dropped" };
    case "none":
    case "stopping":
    case "copying":
    case "writing":
      return { kind: "Compressing" };
    case "written":
    case "verified":
      return { kind: "Verifying", message: "It was compared with the disk" };
  }
}
