// Resolves a Volume and what it refers to into where it lies and how it is made, or into what stands in the way. Pure.

import { findCondition } from "@vivarium/api";
import type { Provider, StoragePool, VirtualMachine, VMImage, Volume } from "@vivarium/api";
import { domainNameOf } from "@vivarium/provider";
import type { VolumeCreation, VolumeRef } from "@vivarium/provider";
import { imageOnProvider } from "./image-on-provider.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { readAmount } from "./read-amount.ts";
import { providerOfPlaced } from "./placed/placed-object.ts";
import { poolNameOf } from "./storage-pool-target.ts";
import type { StorageResolved, VolumeMaking } from "./volume-plan.ts";

interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface VolumeObjects {
  pool(key: Key): StoragePool | undefined;
  volume(key: Key): Volume | undefined;
  image(key: Key): VMImage | undefined;
  providers(): readonly Provider[];
}

/** The object that a Volume refers to: its own namespace is the default. */
export function referredBy(volume: Volume, ref: { readonly name: string; readonly namespace?: string }): Key {
  return { namespace: ref.namespace ?? volume.metadata.namespace ?? "", name: ref.name };
}

export interface VolumePlace {
  readonly pool: StoragePool;
  readonly provider: ProviderKey;
  readonly ref: VolumeRef;
}

/** What is remembered across restarts; only this controller reads it. */
export interface VolumeRecord {
  readonly stage: "none" | "creating" | "created";
  /** Where it was made: there it stays, whatever becomes of the spec. */
  readonly volume?: VolumeRef;
}

export function volumeRecordOf({ status }: Volume): VolumeRecord {
  const stage = status?.record?.["stage"];
  if (stage !== "creating" && stage !== "created") return { stage: "none" };
  const { pool, volume } = status ?? {};
  return { stage, ...(pool === undefined || volume === undefined ? {} : { volume: { pool, name: volume } }) };
}

/** Readable, unique on the host, and the same at each try. */
function volumeNameOf({ metadata, spec }: Volume): string {
  const { uid = "", namespace = "default", name } = metadata;
  return `${domainNameOf({ uid, namespace, name })}.${uid.slice(0, 8)}.${spec.format ?? "qcow2"}`;
}

export function resolvePlace(volume: Volume, objects: VolumeObjects): StorageResolved<VolumePlace> {
  const key = referredBy(volume, volume.spec.poolRef);
  const name = `StoragePool "${key.namespace}/${key.name}"`;
  const pool = objects.pool(key);
  if (pool === undefined) return failed("PoolNotFound", `${name} does not exist`);
  const provider = providerOfPlaced(pool, objects.providers());
  if (provider === undefined) return failed("PoolNotReady", `${name} belongs to no Provider`);
  const record = volumeRecordOf(volume);
  const ref = record.volume ?? { pool: poolNameOf(pool), name: volumeNameOf(volume) };
  if (ref.pool !== poolNameOf(pool)) {
    return failed(
      "InvalidSpec",
      `spec.poolRef names ${name}, but the volume lies in pool "${ref.pool}" and cannot be moved`,
    );
  }
  if (record.stage === "none" && findCondition(pool.status?.conditions, "Ready")?.status !== "True") {
    return failed("PoolNotReady", `${name} is not ready: ${pool.status?.message ?? "it has not been looked at yet"}`);
  }
  return { ok: true, value: { pool, provider, ref } };
}

export function resolveSize({ spec }: Volume): StorageResolved<number | undefined> {
  if (spec.size === undefined) return { ok: true, value: undefined };
  const size = readAmount(spec.size, { field: "spec.size" });
  if (!size.ok) return failed("InvalidSpec", size.message);
  // Disks have sectors of 512 bytes.
  return { ok: true, value: Math.ceil(size.value / 512) * 512 };
}

export function resolveMaking(
  volume: Volume,
  { provider }: VolumePlace,
  objects: VolumeObjects,
): StorageResolved<VolumeMaking> {
  const { source, format = "qcow2", preallocation = "none" } = volume.spec;
  const size = resolveSize(volume);
  if (!size.ok) return size;
  const given = [source?.volumeRef, source?.imageRef, source?.url].filter((each) => each !== undefined);
  if (source !== undefined && given.length !== 1) {
    return failed("InvalidSpec", "spec.source needs exactly one of volumeRef, imageRef and url");
  }
  const method = source?.method ?? "copy";
  if (method === "linked" && (format !== "qcow2" || preallocation !== "none")) {
    return failed("InvalidSpec", "A linked volume is of format qcow2 and takes its space as it is written");
  }
  if (source?.url !== undefined) {
    if (method === "linked") return failed("InvalidSpec", "spec.source.url gives nothing to be linked to");
    if (preallocation !== "none") return failed("InvalidSpec", "A volume from spec.source.url cannot be preallocated");
    const { url, checksum } = source;
    return { ok: true, value: { kind: "fetch", url, format, ...(checksum === undefined ? {} : { checksum }) } };
  }
  const create = (
    sizeBytes: number,
    from?: VolumeCreation["from"],
    copiedBytes = 0,
  ): StorageResolved<VolumeMaking> => ({
    ok: true,
    value: {
      kind: "create",
      creation: { format, sizeBytes, preallocation, ...(from === undefined ? {} : { from }) },
      allocateBytes: preallocation === "full" ? sizeBytes : method === "copy" ? copiedBytes : 0,
    },
  });
  if (source?.volumeRef !== undefined) {
    const key = referredBy(volume, source.volumeRef);
    const name = `Volume "${key.namespace}/${key.name}"`;
    const found = objects.volume(key);
    if (found === undefined) return failed("SourceNotFound", `${name} does not exist`);
    const there = resolvePlace(found, objects);
    if (!there.ok || found.status?.phase !== "Ready") {
      return failed("SourceNotReady", `${name} is not ready: ${found.status?.message ?? "it has not been made yet"}`);
    }
    if (there.value.provider.name !== provider.name || there.value.provider.namespace !== provider.namespace) {
      return failed("InvalidSpec", `${name} lies on another Provider`);
    }
    const from = { source: { volume: there.value.ref }, method };
    return create(size.value ?? found.status.capacityBytes ?? 0, from, found.status.allocationBytes);
  }
  if (source?.imageRef !== undefined) {
    const key = referredBy(volume, source.imageRef);
    const name = `VMImage "${key.namespace}/${key.name}"`;
    const image = objects.image(key);
    if (image === undefined) return failed("SourceNotFound", `${name} does not exist`);
    const there = imageOnProvider(image, provider);
    if (there.kind === "missing") return failed("SourceNotReady", `${name} is being prepared: ${there.message}`);
    return create(size.value ?? 0, { source: { imageId: there.id }, method });
  }
  if (size.value === undefined)
    return failed("InvalidSpec", "spec.size is absent, and there is no spec.source to tell it");
  return create(size.value);
}

/** Whether the machine's spec names the Volume. */
export function refersTo(vm: VirtualMachine, volume: Volume): boolean {
  return (
    vm.metadata.namespace === volume.metadata.namespace &&
    (vm.spec.disks ?? []).some((disk) => disk.volumeRef?.name === volume.metadata.name)
  );
}

function failed(
  reason: string,
  message: string,
): { readonly ok: false; readonly problem: { readonly reason: string; readonly message: string } } {
  return { ok: false, problem: { reason, message } };
}
