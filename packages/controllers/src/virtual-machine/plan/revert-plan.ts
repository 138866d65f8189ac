// Going back to a snapshot: spec.snapshot.revertToRef is a wish that is carried out once and then taken out of the spec. Pure.
//
//   wished ──RecordRevert──► recorded ──Revert──► done ──ClearRevert──► taken out ──ForgetRevert──► as before

import type { VirtualMachine, VMSnapshot } from "@vivarium/api";
import type { PlanInput, Problem, Resolved } from "./input.ts";
import { snapshotRecordOf } from "../../vm-snapshot-status.ts";

/** What is remembered of a revert, so that it is neither lost nor done twice. */
export interface RevertRecord {
  /** Of the VMSnapshot. */
  readonly name: string;
  readonly uid: string;
  /** Names this wish at the provider. */
  readonly requestId: string;
  readonly isDone?: true;
}

export interface RevertTarget {
  readonly name: string;
  readonly uid: string;
}

export type RevertStep =
  /** Says, durably, what is about to be done. */
  | { readonly kind: "RecordRevert"; readonly revert: RevertRecord }
  | { readonly kind: "Revert"; readonly revert: RevertRecord }
  /** Takes the wish out of the spec. */
  | { readonly kind: "ClearRevert" }
  | { readonly kind: "ForgetRevert" };

type Decision = RevertStep | { readonly kind: "blocked"; readonly problems: readonly Problem[] };

/** Undefined where nothing is wished, and nothing is left to do. */
export function decideRevert({ revert, record, generation }: PlanInput): Decision | undefined {
  if (revert === undefined) return record.revert === undefined ? undefined : { kind: "ForgetRevert" };
  if (!revert.ok) return { kind: "blocked", problems: revert.problems };
  const { name, uid } = revert.value;
  const known = record.revert?.uid === uid ? record.revert : undefined;
  if (known === undefined) {
    return { kind: "RecordRevert", revert: { name, uid, requestId: `${uid}/${generation}` } };
  }
  return known.isDone === true ? { kind: "ClearRevert" } : { kind: "Revert", revert: known };
}

export function resolveRevert(
  vm: VirtualMachine,
  snapshotNamed: (name: string) => VMSnapshot | undefined,
): Resolved<RevertTarget> | undefined {
  const name = vm.spec.snapshot?.revertToRef?.name;
  if (name === undefined) return undefined;
  const what = `spec.snapshot.revertToRef names VMSnapshot "${name}"`;
  const no = (reason: Problem["reason"], why: string): Resolved<RevertTarget> => ({
    ok: false,
    problems: [{ reason, message: `${what}, ${why}` }],
  });
  const snapshot = snapshotNamed(name);
  if (snapshot === undefined) return no("SnapshotNotFound", "which does not exist");
  const { machine, stage } = snapshotRecordOf(snapshot);
  if (snapshot.spec.vmRef.name !== vm.metadata.name) {
    return no("InvalidSpec", `which is of VM "${snapshot.spec.vmRef.name}"`);
  }
  if (stage !== "created" || snapshot.status?.phase === "Failed") {
    return no("SnapshotNotReady", `which is not ready: ${snapshot.status?.message ?? "it has not been taken yet"}`);
  }
  if (machine !== vm.metadata.uid) return no("InvalidSpec", "which is of an earlier VM of this name");
  return { ok: true, value: { name, uid: snapshot.metadata.uid ?? "" } };
}

export function isBeingSnapshotted(vm: VirtualMachine, snapshots: readonly VMSnapshot[]): boolean {
  return snapshots.some((snapshot) => {
    const { machine, stage } = snapshotRecordOf(snapshot);
    return stage === "creating" && machine === vm.metadata.uid;
  });
}

/**
 * Names of snapshots that shall outlive their machine, which is not deleted while they are there, and of those that disks of clones back
 * onto, with the clones' names.
 */
export function snapshotsThatStay(
  vm: VirtualMachine,
  snapshots: readonly VMSnapshot[],
  clonesOf: (snapshot: VMSnapshot) => readonly string[],
): readonly string[] {
  return snapshots.flatMap((snapshot) => {
    const { machine, stage } = snapshotRecordOf(snapshot);
    if (stage === "none" || machine !== vm.metadata.uid) return [];
    const { name } = snapshot.metadata;
    const clones = clonesOf(snapshot);
    if (clones.length > 0) return [`${name} (clones back onto it: ${clones.join(", ")})`];
    return snapshot.spec.retentionPolicy?.deleteOnVMDelete === false ? [name] : [];
  });
}
