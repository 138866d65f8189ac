// Who needs a snapshot because its disks back onto it. Pure.

import { cloneBaseLabel, linkedToLabel, parseDuration } from "@vivarium/api";
import type { KubeObject, VirtualMachine, VMClone, VMSnapshot, VMTemplate } from "@vivarium/api";
import { templateRecordOf } from "../vm-template/vm-template-record.ts";
import { cloneRecordOf } from "./vm-clone-record.ts";

export interface CloneObjects {
  readonly clones: readonly VMClone[];
  readonly machines: readonly VirtualMachine[];
  readonly templates: readonly VMTemplate[];
}

/** Names of linked clones that are there, and of clones and templates that are being made. */
export function usersOfSnapshot(
  { metadata }: VMSnapshot,
  { clones, machines, templates }: CloneObjects,
): readonly string[] {
  const { uid } = metadata;
  const nameOf = (each: KubeObject): string => nameFrom(metadata, each);
  const linked = linkedTo(metadata, machines);
  const making = clones
    .filter((clone) => {
      const { stage, snapshot } = cloneRecordOf(clone);
      return (stage === "none" || stage === "copying") && snapshot?.uid === uid;
    })
    .map((clone) => `VMClone ${nameOf(clone)}`);
  const keeping = templates
    .filter((template) => {
      const { stage, snapshot } = templateRecordOf(template);
      return (stage === "none" || stage === "copying") && snapshot?.uid === uid;
    })
    .map((template) => `VMTemplate ${nameOf(template)}`);
  return [...linked, ...making, ...keeping].toSorted();
}

/** Names of linked clones whose disks back onto this. */
export function linkedTo(base: KubeObject["metadata"], machines: readonly VirtualMachine[]): readonly string[] {
  return machines
    .filter((vm) => vm.metadata.labels?.[linkedToLabel] === base.uid)
    .map((vm) => nameFrom(base, vm))
    .toSorted();
}

function nameFrom({ namespace }: KubeObject["metadata"], { metadata }: KubeObject): string {
  return metadata.namespace === namespace ? metadata.name : `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Clones that were asked for together share a snapshot: it stays for a while after it was taken. */
const sharedForMs = parseDuration("2m");

/** Whether it was taken for clones of which none is left. */
export function isIdleBase(snapshot: VMSnapshot, objects: CloneObjects, nowMs: number): boolean {
  const { creationTime } = snapshot.status ?? {};
  if (snapshot.metadata.labels?.[cloneBaseLabel] === undefined || creationTime === undefined) return false;
  return nowMs >= idleFromMs(creationTime) && usersOfSnapshot(snapshot, objects).length === 0;
}

function idleFromMs(creationTime: string): number {
  return Date.parse(creationTime) + sharedForMs;
}
