// Disks and seeds of VMs as volumes of the pool.

import { DomainState, isLibvirtError, StorageVolCreateFlags } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, DiskRole, VmIdentity } from "@vivarium/provider";
import type { LibvirtHost } from "./libvirt-host.ts";
import { diskOfVolume, diskVolumeName, isVolumeOf, parseImageVolumeName, seedVolumeName } from "./names.ts";
import type { VolumePool } from "./pool.ts";
import type { VolumeUsage } from "./storage/usage.ts";

interface DiskParts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly usage: VolumeUsage;
}

export function createDisks({ host, pool, usage }: DiskParts): DiskRole {
  return {
    async ensureRoot(vm, disk, options) {
      const name = diskVolumeName(vm, disk.name);
      const [existing, image] = await Promise.all([pool.find(name, options), pool.find(disk.imageId, options)]);
      if (existing !== undefined) return;
      const format = parseImageVolumeName(disk.imageId)?.format;
      if (image === undefined || format === undefined) {
        throw new ProviderError("NotFound", `Cannot clone "${name}": image "${disk.imageId}" is not in the pool`);
      }
      await pool.create(
        {
          name,
          format: "qcow2",
          // Only ever larger: what lies beyond a smaller size would be cut off.
          capacityBytes: Math.max(disk.sizeBytes ?? 0, image.capacityBytes),
          allocationBytes: 0,
          backing: { path: image.path, format },
        },
        options,
      );
    },

    async ensureData(vm, { name, sizeBytes, preallocated }, options) {
      await pool.create(
        {
          name: diskVolumeName(vm, name),
          format: "qcow2",
          capacityBytes: sizeBytes,
          allocationBytes: preallocated ? sizeBytes : 0,
        },
        { ...options, ...(preallocated ? { flags: StorageVolCreateFlags.PREALLOC_METADATA } : {}) },
      );
    },

    async writeSeed(vm, iso, options) {
      await requireOff(host, vm);
      await pool.write(seedVolumeName(vm), oneChunk(iso), options);
    },

    async remove(vm, options) {
      // virtlogd rotates serial logs behind libvirt's back.
      await pool.refresh(options);
      const names = (await pool.names(options)).filter((candidate) => isVolumeOf(vm, candidate));
      await refuseWhileNeeded(vm, names, { host, pool, usage, options });
      for (const name of names) await pool.delete(name, options);
      usage.forget();
    },
  };
}

/** Linked clones back onto files that are not theirs. */
async function refuseWhileNeeded(
  vm: VmIdentity,
  names: readonly string[],
  { host, pool, usage, options }: DiskParts & { readonly options: CallOptions | undefined },
): Promise<void> {
  const users = new Set<string>();
  let isFresh = true;
  for (const name of names.filter((candidate) => diskOfVolume(vm, candidate) !== undefined)) {
    const view = await pool.find(name, options);
    if (view === undefined) continue;
    const ref = { pool: host.config.pool, name, path: view.path };
    const found = await host.attempt(`look for users of volume "${name}"`, (libvirt) =>
      usage.usersOf(libvirt, ref, { ...options, isFresh }),
    );
    // One look at the host serves all files.
    isFresh = false;
    for (const user of found) {
      if (user.kind === "volume" && (user.pool !== ref.pool || !names.includes(user.name))) users.add(user.name);
    }
  }
  if (users.size === 0) return;
  const message = `Cannot delete the disks of VM "${vm.name}": ${[...users].join(", ")} back onto them`;
  throw new ProviderError("Conflict", message);
}

async function requireOff(host: LibvirtHost, vm: VmIdentity): Promise<void> {
  const state = await host.attempt(`look at VM "${vm.name}"`, async (libvirt) => {
    try {
      return await libvirt.domainGetState(await libvirt.domainLookupByUuid(vm.uid));
    } catch (error) {
      if (isLibvirtError(error, "NO_DOMAIN")) return undefined;
      throw error;
    }
  });
  if (state !== undefined && state.state !== DomainState.SHUTOFF) {
    throw new ProviderError(
      "Conflict",
      `Cannot write the seed of VM "${vm.name}": its domain is running, expected shut off`,
    );
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
