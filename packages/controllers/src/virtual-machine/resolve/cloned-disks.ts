// Whether the disks of a VM that a VMClone makes are there. The VMClone controller says so on the VM itself, for this VM alone: from then on
// the VM needs the VMClone no more. Pure.

import { clonedDisksAnnotation } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { keyOf } from "./definition.ts";
import type { RelatedObjects } from "./definition.ts";
import type { Problem, Resolved } from "../plan/input.ts";

/** Undefined where no VMClone makes its disks. Else their names. */
export function resolveClonedDisks(
  vm: VirtualMachine,
  related: Pick<RelatedObjects, "clone">,
): Resolved<readonly string[]> | undefined {
  const { importedDisk } = vm.spec;
  if (importedDisk?.source !== "clone" && importedDisk?.source !== "migration") return undefined;
  const made = clonedDisksOf(vm);
  if (made !== undefined) return { ok: true, value: made };
  if (importedDisk.source === "migration") {
    const from = importedDisk.migrationRef?.name ?? "";
    return problem("CloneNotReady", `VMMigration "${from}" copies its disks`);
  }
  const ref = importedDisk.cloneRef;
  if (ref === undefined) return problem("InvalidSpec", "spec.importedDisk.cloneRef is absent: name the VMClone");
  const key = keyOf(vm, ref);
  const name = `VMClone "${key.namespace}/${key.name}"`;
  const clone = related.clone(key);
  const noDisks = "and this VM's disks were never made: nothing else can make them. Delete the VM and clone again";
  if (clone === undefined) return problem("CloneNotFound", `${name} does not exist, ${noDisks}`);
  const { uid } = clone.metadata;
  const target = clone.status?.record?.["target"];
  if (uid !== importedDisk.diskID || (target !== undefined && target !== vm.metadata.uid)) {
    return problem("CloneNotFound", `${name} made the disks of another VM, ${noDisks}`);
  }
  if (clone.status?.phase === "Failed") {
    return problem("CloneFailed", `${name} cannot make its disks: ${clone.status.message ?? "it failed"}`);
  }
  return problem("CloneNotReady", `${name} makes its disks`);
}

/** What the VMClone controller writes for `clonedDisksOf`. */
export function formatClonedDisks(uid: string, disks: readonly string[]): string {
  return `${uid}/${disks.join(",")}`;
}

/** Another VM's manifest, applied again, brings no disks along. */
function clonedDisksOf({ metadata }: VirtualMachine): readonly string[] | undefined {
  const [uid, disks] = metadata.annotations?.[clonedDisksAnnotation]?.split("/") ?? [];
  return uid === metadata.uid ? disks?.split(",") : undefined;
}

function problem(
  reason: Problem["reason"],
  message: string,
): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ reason, message }] };
}
