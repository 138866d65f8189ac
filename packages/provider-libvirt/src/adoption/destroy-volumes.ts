// The volumes that go with an adopted domain when it is destroyed on demand: those of its disks that it may write, which libvirt knows and
// nobody else uses.

import { DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt, StorageVolume } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import type { FoundDomain } from "../domain/lookup.ts";
import type { VolumeUsage } from "../storage/usage.ts";
import { adoptableOf } from "./adoptable.ts";

interface Destruction {
  readonly own: Extract<FoundDomain, { kind: "own" }>;
  readonly vm: VmIdentity;
  readonly usage: VolumeUsage;
  readonly options: CallOptions | undefined;
}

/** Conflict, naming it, when something else uses one of them. A disk that is no volume (a device, a file outside of every pool) stays. */
export async function volumesToDestroy(
  libvirt: Libvirt,
  { own, vm, usage, options }: Destruction,
): Promise<readonly StorageVolume[]> {
  const xml = await libvirt.domainGetXmlDesc(own.domain, { ...options, flags: DomainXmlFlags.INACTIVE });
  const { disks } = adoptableOf(xml, { power: own.power, isPersistent: true, sizes: new Map() });
  const found: StorageVolume[] = [];
  for (const { path, isReadOnly, target } of disks) {
    if (path === undefined || isReadOnly) continue;
    const volume = await unlessUnknown(libvirt.storageVolLookupByPath(path, options));
    if (volume === undefined) continue;
    const users = await usage.usersOf(
      libvirt,
      { pool: volume.pool, name: volume.name, path },
      { ...options, isFresh: true },
    );
    const other = users.find((user) => user.kind === "volume" || user.uid !== own.domain.uuid);
    if (other !== undefined) {
      const who = other.kind === "vm" ? `domain "${other.name}"` : `volume "${other.pool}/${other.name}"`;
      const message = `Cannot destroy VM "${vm.name}": its disk "${target}" (${path}) is in use by ${who}`;
      throw new ProviderError("Conflict", message);
    }
    found.push(volume);
  }
  return found;
}

export async function destroyVolumes(
  libvirt: Libvirt,
  { volumes, options }: { readonly volumes: readonly StorageVolume[]; readonly options: CallOptions | undefined },
): Promise<void> {
  for (const volume of volumes) await unlessUnknown(libvirt.storageVolDelete(volume, options));
}

async function unlessUnknown<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (isLibvirtError(error, "NO_STORAGE_VOL", "NO_STORAGE_POOL")) return undefined;
    throw error;
  }
}
