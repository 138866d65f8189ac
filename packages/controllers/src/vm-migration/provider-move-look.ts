// What a migration to another Provider sees: what stands in its way, the snapshot that is copied, the new machine.

import { findCondition } from "@vivarium/api";
import type { VirtualMachine, VMMigration } from "@vivarium/api";
import { formatAmount } from "../placement/fit.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import type { Blocker } from "./host-move-plan.ts";
import { openOf } from "./provider-move-parts.ts";
import type { ProviderMoveParts } from "./provider-move-parts.ts";
import type { NewMachine, SnapshotState } from "./provider-move-plan.ts";
import { migrationLabel, newMachineOf, refusalsOf, targetKeyOf } from "./provider-move-target.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export function blockersOf(
  parts: ProviderMoveParts,
  object: VMMigration,
  source: VirtualMachine | undefined,
): readonly Blocker[] {
  const found = [...refusalsOf(object, source)];
  const { source: from, target } = object.spec;
  const key = (ref: { readonly name: string; readonly namespace?: string }) =>
    ({ namespace: ref.namespace ?? object.metadata.namespace ?? "", name: ref.name }) as const;
  if (target.providerRef !== undefined && parts.related.provider(key(target.providerRef)) === undefined) {
    found.push({
      reason: "ProviderNotFound",
      message: `Provider "${target.providerRef.name}" does not exist`,
      isTemporary: true,
    });
  }
  if (source === undefined) return found;
  found.push(...sizeBlockersOf(parts, newMachineOf(object, source)));
  const madeBy = parts.placer.providerOf(source);
  if (from.deleteAfterMigration === true && madeBy !== undefined && parts.placer.wishOf(source, madeBy).hasTpm) {
    const message =
      "the state of its TPM stays behind, and spec.source.deleteAfterMigration would delete it: migrate without, and delete the source when its keys are not needed any more";
    found.push({ reason: "DeviceNotMovable", message });
  }
  const madeOn = readRecord(source.status).madeOn;
  if (from.providerRef !== undefined && madeOn !== undefined) {
    const { namespace, name } = key(from.providerRef);
    if (madeOn !== `${namespace}/${name}`) {
      found.push({
        reason: "InvalidSpec",
        message: `the machine is on Provider "${madeOn}", not on "${namespace}/${name}" as spec.source.providerRef says`,
      });
    }
  }
  const open = openOf(parts, source);
  if (open === undefined) {
    found.push({
      reason: "SourceNotReady",
      message: "the Provider of the machine is not connected",
      isTemporary: true,
    });
  } else if (open.clones === undefined || open.migration === undefined) {
    found.push({ reason: "Unsupported", message: `hypervisors of type "${open.type}" cannot copy disks elsewhere` });
  }
  return found;
}

/** What the API server would refuse, too, once all is ready for it. */
function sizeBlockersOf({ placer }: ProviderMoveParts, machine: VirtualMachine): readonly Blocker[] {
  const provider = placer.providerOf(machine);
  const fit = provider && placer.fitOf(machine, provider);
  if (provider === undefined || fit?.kind !== "impossible") return [];
  const { name } = provider.metadata;
  return fit.lacks.map(({ what, limits }) => {
    const message = `no host of Provider "${name}" can ever take it: it wants ${formatAmount(placer.wishOf(machine, provider).amount[what], what)}, they may give VMs no more than: ${limits}`;
    return { reason: "NoRoom", message };
  });
}

export function snapshotOf(
  parts: ProviderMoveParts,
  object: VMMigration,
  { snapshot }: MigrationRecord,
): SnapshotState {
  if (snapshot === undefined) return { kind: "absent" };
  const found = parts.snapshots.get({ namespace: object.metadata.namespace ?? "", name: snapshot.name });
  if (found === undefined) return { kind: "failed", message: `VMSnapshot "${snapshot.name}" does not exist` };
  const message = found.status?.message ?? "The snapshot is being taken";
  switch (found.status?.phase) {
    case "Ready":
      return { kind: "ready" };
    case "Failed":
      return { kind: "failed", message };
    default:
      return { kind: "waiting", message };
  }
}

export function targetOf(parts: ProviderMoveParts, object: VMMigration): NewMachine {
  const vm = parts.machines.get(targetKeyOf(object));
  if (vm === undefined) return { kind: "absent" };
  if (vm.metadata.labels?.[migrationLabel] !== object.metadata.uid) return { kind: "another" };
  const ready = findCondition(vm.status?.conditions, "Ready");
  return {
    kind: "present",
    isPlaced: readRecord(vm.status).madeOn !== undefined,
    isMade: vm.status?.domain !== undefined,
    isReady: ready?.status === "True" || (ready?.reason === "WaitingForAddress" && vm.status?.powerState === "On"),
    message: `VirtualMachine "${vm.metadata.name}": ${ready?.message ?? "it is not looked at yet"}`,
  };
}
