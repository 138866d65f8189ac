// What a VM's status says of its snapshots: those that are there to go back to, oldest first. Pure.

import { parseQuantity } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineStatus, VMSnapshot } from "@vivarium/api";
import { snapshotRecordOf } from "../../vm-snapshot-status.ts";

type Snapshots = NonNullable<VirtualMachineStatus["snapshots"]>;

/** `all`: of the VM's namespace. */
export function snapshotsOfStatus({ metadata }: VirtualMachine, all: readonly VMSnapshot[]): Snapshots {
  return all
    .filter((each) => each.spec.vmRef.name === metadata.name && snapshotRecordOf(each).machine === metadata.uid)
    .flatMap(entryOf)
    .sort((a, b) => (a.creationTime + a.name < b.creationTime + b.name ? -1 : 1));
}

function entryOf({ metadata, spec, status }: VMSnapshot): Snapshots {
  const { snapshotID, creationTime, phase, size, hasMemory } = status ?? {};
  if (snapshotID === undefined || creationTime === undefined) return [];
  if (phase !== "Ready" && phase !== "Expired") return [];
  const description = spec.description ?? spec.snapshotConfig?.description;
  return [
    {
      id: snapshotID,
      name: metadata.name,
      creationTime,
      ...(description === undefined ? {} : { description }),
      ...(size === undefined ? {} : { sizeBytes: parseQuantity(size) }),
      ...(hasMemory === undefined ? {} : { hasMemory }),
    },
  ];
}
