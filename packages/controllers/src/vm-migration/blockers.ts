// What stands in the way of a move by what the objects say; what the hypervisors say comes to it. Pure.

import { findCondition } from "@vivarium/api";
import type { Host, Provider, VirtualMachine } from "@vivarium/api";
import type { Obstacle } from "../placement/model.ts";
import { hostsOf } from "../provider-config.ts";
import type { Blocker } from "./host-move-plan.ts";

export interface BlockerInput {
  readonly vm: VirtualMachine;
  readonly provider: Provider;
  /** Where it is; undefined while it is bound to no host. */
  readonly from: string | undefined;
  readonly to: string;
  /** Object of the host to go to. */
  readonly target: Host | undefined;
  /** What the scheduler says of that host. */
  readonly placement: { readonly rules: readonly Obstacle[]; readonly room: readonly Obstacle[] };
  readonly isBeingSnapshotted: boolean;
  readonly isConnected: { readonly from: boolean; readonly to: boolean };
}

export function blockersByObjects(input: BlockerInput): readonly Blocker[] {
  const { vm, provider, from, to, target } = input;
  const found: Blocker[] = [];
  const add = (reason: string, message: string, isTemporary = false): void =>
    void found.push({ reason, message, ...(isTemporary ? { isTemporary } : {}) });
  const declared = hostsOf(provider);
  const there = declared.find(({ name }) => name === to);
  if (there === undefined) {
    const names = declared.map(({ name }) => name).join(", ");
    add("HostUnknown", `Provider "${provider.metadata.name}" has no host "${to}"; it has ${names}`);
  }
  if (from === undefined) add("NotDefined", "it is on no host yet", true);
  else if (!input.isConnected.from) add("SourceNotReady", `host "${from}", on which it is, is not connected`, true);
  if (there !== undefined) {
    const ready = findCondition(target?.status?.conditions, "Ready");
    if (ready?.status !== "True" || !input.isConnected.to) {
      add("HostNotReady", `host "${to}" is not ready: ${ready?.message ?? "it was not tried yet"}`, true);
    }
    if (target?.spec.unschedulable === true)
      add("HostUnschedulable", `host "${to}" takes no machines (spec.unschedulable)`);
    for (const { message } of input.placement.room) add("NoRoom", `host "${to}": ${message}`);
    for (const { message } of input.placement.rules) add("PlacementRule", `host "${to}": ${message}`);
  }
  const { placement } = vm.spec;
  if (placement?.host !== undefined && placement.host !== to) {
    add(
      "PlacementNamesHost",
      `spec.placement.host of the VirtualMachine names "${placement.host}": remove it, or name "${to}"`,
    );
  }
  const labels = { ...target?.metadata.labels, ...there?.labels };
  for (const [label, value] of Object.entries(placement?.hostSelector ?? {})) {
    if (there !== undefined && labels[label] !== value) {
      add("HostSelector", `label ${label} of host "${to}" is not "${value}", as spec.placement.hostSelector wants`);
    }
  }
  if (input.isBeingSnapshotted) add("SnapshotInProgress", "a snapshot of it is being taken", true);
  const revert = vm.spec.snapshot?.revertToRef?.name;
  if (revert !== undefined) add("RevertInProgress", `it is going back to snapshot "${revert}"`, true);
  return found;
}
