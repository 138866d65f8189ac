// What of the spec waits until the VM is next off, with the reason where it is not plain. Pure.

import type { VmDefinition, VmObservation } from "@vivarium/provider";
import { humanSize } from "../../human-size.ts";
import { changedFields } from "../applied.ts";
import type { VmRecord } from "../record.ts";
import { growthOf } from "./disk-plan.ts";
import type { DiskSize } from "./disk-plan.ts";
import { isShareLeft } from "./size-plan.ts";

export interface PendingField {
  /** In the terms of the definition: `cpu`, `memory`, `disks`, … */
  readonly field: string;
  readonly reason?: string;
}

type Present = Extract<VmObservation, { kind: "present" }>;

export interface PendingInput {
  readonly record: VmRecord;
  readonly definition: VmDefinition;
  readonly sizes: readonly DiskSize[];
  readonly canGrowOnline: boolean;
}

export function pendingFields(
  { record, definition, sizes, canGrowOnline }: PendingInput,
  seen: Present,
): readonly PendingField[] {
  if (record.applied === undefined) return [];
  const fields = changedFields(record.applied, definition).map((field) => withReason(field, definition, seen));
  const growth = growthOf({ record, sizes }).flatMap(({ name, sizeBytes }): readonly PendingField[] => {
    const isOnline = sizes.some((each) => each.name === name && each.isOnline);
    if (isOnline && canGrowOnline) return [];
    const why = isOnline ? "this hypervisor grows no disk of a running VM" : "its expandPolicy is Offline";
    return [{ field: `disk ${name}`, reason: `grows to ${humanSize(sizeBytes)}: ${why}` }];
  });
  const share = isShareLeft(definition, seen) ? [{ field: "cpuShares" }] : [];
  return [...fields, ...growth, ...share];
}

export function pendingText({ field, reason }: PendingField): string {
  return reason === undefined ? field : `${field} (${reason})`;
}

function withReason(field: string, definition: VmDefinition, seen: Present): PendingField {
  const { cpus, memoryBytes, maxCpus, maxMemoryBytes } = definition;
  if (field === "cpu" && cpus < seen.cpus) return { field, reason: "no CPU is taken from a running guest" };
  if (field === "cpu" && maxCpus !== undefined && cpus > (seen.maxCpus ?? 0)) {
    return { field, reason: `started with room for ${seen.maxCpus ?? seen.cpus}` };
  }
  if (field === "memory" && maxMemoryBytes !== undefined && memoryBytes > (seen.maxMemoryBytes ?? 0)) {
    return { field, reason: `started with room for ${humanSize(seen.maxMemoryBytes ?? seen.memoryBytes)}` };
  }
  if (field === "cpu" && maxCpus === undefined) {
    return { field, reason: "its class does not enable performanceProfile.cpuHotAddEnabled" };
  }
  if (field === "memory" && maxMemoryBytes === undefined) {
    return { field, reason: "its class does not enable performanceProfile.memoryHotAddEnabled" };
  }
  return { field };
}
