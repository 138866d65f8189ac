// The VirtualMachine that a migration to another Provider makes, and what of the source cannot come along. Pure.

import { apiVersionOf, VirtualMachine } from "@vivarium/api";
import type { VirtualMachineSpec, VMMigration } from "@vivarium/api";
import type { Blocker } from "./host-move-plan.ts";

const migratedFromAnnotation = "virtrigaud.io/migrated-from";
/** On the new VM and on the VMSnapshot that was taken for it: uid of the VMMigration. */
export const migrationLabel = "virtrigaud.io/migration";

export function targetKeyOf({ metadata, spec }: VMMigration): { readonly namespace: string; readonly name: string } {
  return { namespace: spec.target.namespace ?? metadata.namespace ?? "", name: spec.target.name ?? "" };
}

export function newMachineOf(migration: VMMigration, source: VirtualMachine): VirtualMachine {
  const { target } = migration.spec;
  const { uid = "", name, namespace = "" } = migration.metadata;
  const {
    adopt: _adopt,
    importedDisk: _disk,
    imageRef: _image,
    placement: _placement,
    placementRef: _placementRef,
    snapshot: _snapshot,
    deletionProtection: _protection,
    ...inherited
  } = source.spec;
  const disks = target.disks ?? source.spec.disks?.filter(({ volumeRef }) => volumeRef === undefined);
  const networks = target.networks ?? source.spec.networks?.map(withoutMac);
  const classRef = target.classRef ?? inherited.classRef;
  const spec: VirtualMachineSpec = { ...inherited, powerState: "Off" };
  for (const key of ["disks", "networks", "classRef"] as const) delete spec[key];
  return {
    apiVersion: apiVersionOf(VirtualMachine),
    kind: VirtualMachine.kind,
    metadata: {
      ...targetKeyOf(migration),
      labels: { ...source.metadata.labels, ...target.labels, [migrationLabel]: uid },
      annotations: {
        ...target.annotations,
        [migratedFromAnnotation]: `${namespace}/${source.metadata.name}`,
      },
    },
    spec: {
      ...spec,
      ...(target.providerRef === undefined ? {} : { providerRef: target.providerRef }),
      ...(classRef === undefined ? {} : { classRef }),
      ...(disks === undefined || disks.length === 0 ? {} : { disks }),
      ...(networks === undefined ? {} : { networks }),
      ...(target.placementRef === undefined ? {} : { placementRef: target.placementRef }),
      importedDisk: { diskID: uid, source: "migration", migrationRef: { name } },
    },
  };
}

type Network = NonNullable<VirtualMachineSpec["networks"]>[number];

/** The source is there, too, for as long as somebody keeps it. */
function withoutMac(network: Network): Network {
  const { macAddress: _, ...rest } = network;
  return rest;
}

/** What the wish asks for and cannot be had. */
export function refusalsOf({ metadata, spec }: VMMigration, source: VirtualMachine | undefined): readonly Blocker[] {
  const { target, storage, options } = spec;
  const found: Blocker[] = [];
  const add = (reason: string, message: string): void => void found.push({ reason, message });
  if (target.name === undefined || target.providerRef === undefined) {
    add(
      "InvalidSpec",
      "spec.target has neither host, for another host of the same Provider, nor name and providerRef, for another Provider",
    );
  }
  if (target.namespace !== undefined && target.namespace !== metadata.namespace) {
    add("Unsupported", "spec.target.namespace is another namespace than the migration's, which is not supported");
  }
  if (storage?.transferMode === "direct") {
    add("Unsupported", "spec.storage.transferMode direct is not supported: disks go through the server (relay, auto)");
  }
  if (options?.diskFormat === "vmdk" || options?.diskFormat === "raw") {
    add("Unsupported", `spec.options.diskFormat ${options.diskFormat} is not supported: copies are qcow2`);
  }
  if (options?.mode === "Live") {
    const message =
      "spec.options.mode Live moves a VM between hosts of one Provider only: on another Provider it becomes a new VM of copies of its disks, which is started there. Declare both machines as hosts of one Provider (spec.hosts) to move it while it runs";
    add("Unsupported", message);
  }
  if (options?.copyStorage === false) {
    add("Unsupported", "spec.options.copyStorage false: to another Provider disks are always copied");
  }
  if (options?.compress === true) add("Unsupported", "spec.options.compress is not supported between Providers");
  if (source?.spec.adopt !== undefined) {
    add("Unsupported", "the machine's domain was adopted: which disks are its own is not known");
  }
  for (const disk of source?.spec.disks ?? []) {
    if (disk.volumeRef === undefined || target.disks !== undefined) continue;
    add(
      "VolumeNotCopied",
      `disk "${disk.name}" is Volume "${disk.volumeRef.name}", which is not copied: say in spec.target.disks what the new machine has`,
    );
  }
  return found;
}
