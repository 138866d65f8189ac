// Who needs a snapshot because its disks back onto it. Pure.

import { cloneBaseLabel, linkedToLabel, parseDuration } from "@vivarium/api";
import type { VirtualMachine, VMClone, VMSnapshot } from "@vivarium/api";
import { cloneRecordOf } from "./vm-clone-record.ts";

export interface CloneObjects {
  readonly clones: readonly VMClone[];
  readonly machines: readonly VirtualMachine[];
}

/** Names of linked clones that are there, and of clones that are being made. */
export function usersOfSnapshot({ metadata }: VMSnapshot, { clones, machines }: CloneObjects): readonly string[] {
  const { uid, namespace = "" } = metadata;
  const nameOf = (each: VirtualMachine | VMClone): string =>
    each.metadata.namespace === namespace
      ? each.metadata.name
      : `${each.metadata.namespace ?? ""}/${each.metadata.name}`;
  const linked = machines.filter((vm) => vm.metadata.labels?.[linkedToLabel] === uid).map(nameOf);
  const making = clones
    .filter((clone) => {
      const { stage, snapshot } = cloneRecordOf(clone);
      return (stage === "none" || stage === "copying") && snapshot?.uid === uid;
    })
    .map((clone) => `VMClone ${nameOf(clone)}`);
  return [...linked, ...making].toSorted();
}

/** Clones that were asked for together share a snapshot: it stays for a while after it was taken. */
const sharedForMs = parseDuration("2m");

/** Whether it was taken for clones of which none is left. */
export function isIdleBase(snapshot: VMSnapshot, objects: CloneObjects, nowMs: number): boolean {
  const { creationTime } = snapshot.status ?? {};
  if (snapshot.metadata.labels?.[cloneBaseLabel] === undefined || creationTime === undefined) return false;
  return nowMs >= idleFromMs(creationTime) && usersOfSnapshot(snapshot, objects).length === 0;
}

export function idleFromMs(creationTime: string): number {
  return Date.parse(creationTime) + sharedForMs;
}
