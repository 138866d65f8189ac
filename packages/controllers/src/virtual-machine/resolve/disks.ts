// Resolves the disks of a VirtualMachine: its own, and Volumes that it names; how the guest sees them, and how large they shall be. Pure.

import type { ObjectKey, Provider, StoragePool, VirtualMachine, VMClass, Volume } from "@vivarium/api";
import type { DiskDefinition, DiskLimits } from "@vivarium/provider";
import { providerOfPlaced } from "../../placed/placed-object.ts";
import type { DiskSize } from "../plan/disk-plan.ts";
import type { DataDisk, Problem, Resolved } from "../plan/input.ts";
import { readAmount } from "../../read-amount.ts";
import { defaultSerial } from "../applied-disks.ts";
import { referredBy, volumeRecordOf } from "../../volume-resolve.ts";

export interface DiskObjects {
  providers(): readonly Provider[];
  volume(key: Required<ObjectKey>): Volume | undefined;
  pool(key: Required<ObjectKey>): StoragePool | undefined;
}

export interface ResolvedDisks {
  /** The root disk first. */
  readonly disks: readonly DiskDefinition[];
  readonly data: readonly DataDisk[];
  readonly sizes: readonly DiskSize[];
  /** Of the root disk; the image's own size where that is larger. */
  readonly rootSizeBytes?: number;
}

export type AddProblem = (reason: Problem["reason"], message: string) => void;
type DeclaredDisk = NonNullable<VirtualMachine["spec"]["disks"]>[number];

export const rootName = "root";
/** Names that volumes other than disks have. */
const reservedDiskNames = new Set(["seed", "serial", "nvram"]);

/** As one SCSI controller takes them. */
const mostScsiDisks = 15;

export function resolveDisks(
  vm: VirtualMachine,
  vmClass: VMClass | undefined,
  {
    objects,
    provider,
    add,
  }: { readonly objects: DiskObjects; readonly provider: Resolved<Provider>; readonly add: AddProblem },
): ResolvedDisks {
  const declared = vm.spec.disks ?? [];
  for (const name of duplicatesOf(declared.map((disk) => disk.name))) {
    add("InvalidSpec", `spec.disks has two disks named "${name}"`);
  }
  for (const name of duplicatesOf(declared.flatMap((disk) => disk.volumeRef?.name ?? []))) {
    add("InvalidSpec", `spec.disks names Volume "${name}" twice`);
  }
  for (const disk of declared) checkDisk(disk, add);
  if (declared.filter(({ bus }) => bus === "scsi").length > mostScsiDisks) {
    add("Unsupported", `spec.disks has more than ${mostScsiDisks} disks on bus scsi`);
  }
  const root = declared.find((disk) => disk.name === rootName);
  const data = declared.filter((disk) => disk.name !== rootName);
  const own = data.filter((disk) => disk.volumeRef === undefined);
  const rootSizeBytes = root?.sizeGiB === undefined ? defaultRootSize(vmClass, add) : bytesOf(root);
  const disks = [root ?? { name: rootName }, ...data].flatMap(
    (disk) => definitionOf(vm, disk, { objects, provider, add }) ?? [],
  );
  return {
    disks,
    data: own.map((disk) => ({
      name: disk.name,
      sizeBytes: bytesOf(disk),
      preallocated: disk.type === "thick" || disk.type === "eagerzeroedthick",
    })),
    sizes: [
      ...(rootSizeBytes === undefined ? [] : [{ name: rootName, sizeBytes: rootSizeBytes, isOnline: isOnline(root) }]),
      ...own.map((disk) => ({ name: disk.name, sizeBytes: bytesOf(disk), isOnline: isOnline(disk) })),
    ],
    ...(rootSizeBytes === undefined ? {} : { rootSizeBytes }),
  };
}

function checkDisk(disk: DeclaredDisk, add: AddProblem): void {
  const { name, sizeGiB, volumeRef } = disk;
  const refuse = (why: string): void => add("InvalidSpec", `spec.disks: ${why}`);
  if (reservedDiskNames.has(name)) refuse(`the name "${name}" is taken by Vivarium: choose another`);
  if (name === rootName && volumeRef !== undefined)
    refuse(`disk "${rootName}" is cloned from the image: it has no volumeRef`);
  if (volumeRef === undefined && sizeGiB === undefined) refuse(`disk "${name}" has neither sizeGiB nor volumeRef`);
  if (volumeRef !== undefined && sizeGiB !== undefined) {
    refuse(`disk "${name}" has sizeGiB and volumeRef: a Volume keeps its size itself`);
  }
}

function definitionOf(
  vm: VirtualMachine,
  disk: DeclaredDisk | { readonly name: string; readonly volumeRef?: never; readonly limits?: never },
  from: { readonly objects: DiskObjects; readonly provider: Resolved<Provider>; readonly add: AddProblem },
): DiskDefinition | undefined {
  const { name, volumeRef } = disk;
  const { bus, cache, discard, serial, readOnly }: Partial<DeclaredDisk> = disk;
  const limits = limitsOf(disk, from.add);
  const source = volumeRef === undefined ? {} : volumeOf(vm, { name, volume: volumeRef.name }, from);
  if (source === undefined) return undefined;
  // The root disk keeps what it had: guests may know it by the serial number that it lacks.
  const number = serial ?? (name === rootName ? undefined : defaultSerial(name));
  return {
    name,
    ...source,
    ...(bus === undefined ? {} : { bus }),
    ...(cache === undefined ? {} : { cache }),
    ...(discard === undefined ? {} : { discard }),
    ...(number === undefined ? {} : { serial: number }),
    ...(readOnly === true ? { isReadOnly: true } : {}),
    ...(limits === undefined ? {} : { limits }),
  };
}

function volumeOf(
  vm: VirtualMachine,
  named: { readonly name: string; readonly volume: string },
  {
    objects,
    provider,
    add,
  }: { readonly objects: DiskObjects; readonly provider: Resolved<Provider>; readonly add: AddProblem },
): Pick<DiskDefinition, "volume" | "format"> | undefined {
  const namespace = vm.metadata.namespace ?? "default";
  const name = `Volume "${namespace}/${named.volume}"`;
  const volume = objects.volume({ namespace, name: named.volume });
  if (volume === undefined) {
    add("VolumeNotFound", `${name} of disk "${named.name}" does not exist`);
    return undefined;
  }
  const record = volumeRecordOf(volume);
  if (record.stage !== "created" || record.volume === undefined || volume.status?.phase === "Lost") {
    add(
      "VolumeNotReady",
      `${name} of disk "${named.name}" is not ready: ${volume.status?.message ?? "it has not been made yet"}`,
    );
    return undefined;
  }
  const pool = objects.pool(referredBy(volume, volume.spec.poolRef));
  const on = pool && providerOfPlaced(pool, objects.providers());
  if (provider.ok && on !== undefined) {
    const { namespace: where = "", name: who } = provider.value.metadata;
    if (on.namespace !== where || on.name !== who) {
      add(
        "InvalidSpec",
        `${name} of disk "${named.name}" lies on Provider "${on.namespace}/${on.name}", the VM on "${where}/${who}"`,
      );
      return undefined;
    }
  }
  const format = volume.status?.format === "raw" ? "raw" : "qcow2";
  return { volume: record.volume, ...(format === "raw" ? { format } : {}) };
}

function limitsOf({ name, limits }: Pick<DeclaredDisk, "name" | "limits">, add: AddProblem): DiskLimits | undefined {
  if (limits === undefined) return undefined;
  for (const [total, read, write] of [
    ["totalIops", "readIops", "writeIops"],
    ["totalBytes", "readBytes", "writeBytes"],
  ] as const) {
    if (limits[total] === undefined) continue;
    if (limits[read] === undefined && limits[write] === undefined) continue;
    add(
      "InvalidSpec",
      `spec.disks: disk "${name}" has limits.${total} beside ${read} or ${write}: one excludes the others`,
    );
  }
  const { totalIops, readIops, writeIops } = limits;
  const bytes = (key: "totalBytes" | "readBytes" | "writeBytes"): { readonly [key: string]: number } => {
    const text = limits[key];
    if (text === undefined) return {};
    const value = quantityOf(text, `spec.disks: disk "${name}" limits.${key}`, add);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...(totalIops === undefined ? {} : { totalIops }),
    ...(readIops === undefined ? {} : { readIops }),
    ...(writeIops === undefined ? {} : { writeIops }),
    ...bytes("totalBytes"),
    ...bytes("readBytes"),
    ...bytes("writeBytes"),
  };
}

function defaultRootSize(vmClass: VMClass | undefined, add: AddProblem): number | undefined {
  const size = vmClass?.spec.diskDefaults?.size;
  if (size === undefined) return undefined;
  return quantityOf(size, `VMClass "${vmClass?.metadata.name ?? ""}" spec.diskDefaults.size`, add);
}

export function quantityOf(quantity: string | number, field: string, add: AddProblem): number | undefined {
  const amount = readAmount(quantity, { field });
  if (amount.ok) return amount.value;
  add("InvalidSpec", amount.message);
  return undefined;
}

export function duplicatesOf(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

function bytesOf(disk: DeclaredDisk): number {
  return (disk.sizeGiB ?? 0) * 1024 ** 3;
}

function isOnline(disk: DeclaredDisk | undefined): boolean {
  return disk?.expandPolicy === "Online";
}
