// Whether the domain was made from what is declared now. Pure.

import type { VmDefinition } from "@vivarium/provider";
import { changedFields } from "../applied.ts";
import type { VmRecord } from "../record.ts";
import type { PlanInput, Problem } from "./input.ts";

export function isPlaced(record: VmRecord, provider: string, definition: VmDefinition): boolean {
  return (
    record.madeOn === provider && record.applied !== undefined && changedFields(record.applied, definition).length === 0
  );
}

/** The domain is what the present spec asked for, though something that the spec names has gone since. */
export function isAsDeclared({ record, generation, definition }: PlanInput): boolean {
  if (definition.ok) return true;
  return record.applied?.generation === generation && definition.problems.every(({ reason }) => isMissing[reason]);
}

/** Whether an object is not there, as against one that says something impossible. */
export const isMissing: Readonly<Record<Problem["reason"], boolean>> = {
  ProviderNotFound: true,
  ClassNotFound: true,
  ImageNotFound: true,
  NetworkNotFound: true,
  NetworkNotReady: true,
  SecretNotFound: true,
  VolumeNotFound: true,
  VolumeNotReady: true,
  AddressInUse: false,
  SnapshotNotFound: false,
  SnapshotNotReady: false,
  PoolFull: false,
  InvalidUserData: false,
  InvalidSpec: false,
  Unsupported: false,
  ImageNotReady: false,
  ImageFailed: false,
  CloneNotFound: true,
  CloneNotReady: false,
  CloneFailed: false,
  DomainNotFound: true,
  DomainNotFree: false,
  NoHostFits: false,
  HostFull: false,
};
