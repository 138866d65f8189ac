// What stands in the way of a move on the side of storage: names, files that the other host does not see, space.

import { isLibvirtError } from "@vivarium/libvirt";
import type { MoveObstacle, VmIdentity } from "@vivarium/provider";
import { nameOfDisk } from "../domain/disks.ts";
import type { DiskView } from "../domain/disks.ts";
import type { OwnDomain } from "../domain/lookup.ts";
import { VolumePool } from "../pool.ts";
import { filesOf, isThere } from "./files.ts";
import type { VmFiles } from "./files.ts";
import { inMiB, obstacle } from "./obstacle.ts";
import type { Pair } from "./obstacle.ts";
import { isSharedPool } from "./shared-storage.ts";

export async function byStorage(
  vm: VmIdentity,
  own: OwnDomain,
  {
    copyStorage,
    isShared,
    isCopied,
    pair,
  }: {
    readonly copyStorage: boolean | undefined;
    readonly isShared: boolean;
    readonly isCopied: boolean;
    readonly pair: Pair;
  },
): Promise<readonly MoveObstacle[]> {
  const { here, there, options } = pair;
  const found: MoveObstacle[] = [];
  const { hostname } = await there.facts.get(options);
  const paths = await Promise.all(
    [here, there].map(({ pool }) => pool.use("find the pool", ({ path }) => Promise.resolve(path), options)),
  );
  const [path = "", pathThere = ""] = paths;
  const poolName = here.host.config.pool;
  if (path !== pathThere) {
    const message = `pool "${poolName}" is ${path} here and ${pathThere} on host "${hostname}": its disks would have other names`;
    found.push(obstacle("StorageDiffers", message));
    return found;
  }
  if (copyStorage === true && isShared) {
    found.push(
      obstacle("StorageDiffers", "both hosts see the same files: a copy would overwrite what it is made from"),
    );
  }
  if (copyStorage === false && !isShared) {
    found.push(obstacle("StorageDiffers", `host "${hostname}" does not see its disks, and they are not to be copied`));
  }
  const files = await here.pool.use(
    "look at its files",
    ({ path: poolPath }) => filesOf(vm, { view: own.view, pool: here.pool, poolPath, options }),
    options,
  );
  for (const disk of files.elsewhere) {
    const why = await whyNotReachable(disk, pair);
    if (why !== undefined) {
      const name = nameOfDisk(vm, disk) ?? disk.target;
      found.push(
        obstacle("DiskNotReachable", `disk "${name}" (${disk.source ?? "no file"}) ${why} on host "${hostname}"`),
      );
    }
  }
  if (!isCopied) return found;
  for (const file of files.outside) {
    found.push(obstacle("DiskNotReachable", `one of its disks rests on ${file}, outside of pool "${poolName}"`));
  }
  const neededBytes = await spaceOf(files, pair);
  const { availableBytes } = await there.pool.use(
    "ask for free space",
    ({ libvirt, pool }) => libvirt.storagePoolGetInfo(pool, options),
    options,
  );
  if (neededBytes > availableBytes) {
    const message = `its disks need ${inMiB(neededBytes)}, pool "${poolName}" of host "${hostname}" has ${inMiB(availableBytes)} free`;
    found.push(obstacle("NoSpace", message));
  }
  return found;
}

/** A Volume stays where it is: both hosts must see it. */
async function whyNotReachable({ source }: DiskView, { here, there, options }: Pair): Promise<string | undefined> {
  if (source === undefined) return undefined;
  const pool = await here.host.attempt("find the pool of a disk", async (libvirt) => {
    try {
      const volume = await libvirt.storageVolLookupByPath(source, options);
      return (await libvirt.storagePoolLookupByVolume(volume, options)).name;
    } catch (error) {
      if (isLibvirtError(error, "NO_STORAGE_VOL", "NO_STORAGE_POOL")) return undefined;
      throw error;
    }
  });
  if (pool === undefined) return "lies in no storage pool, so that nobody can tell whether it is the same";
  const isThereToo = await there.host.attempt("find the pool of a disk", async (libvirt) => {
    try {
      await libvirt.storageVolLookupByPath(source, options);
      return true;
    } catch (error) {
      if (isLibvirtError(error, "NO_STORAGE_VOL")) return false;
      throw error;
    }
  });
  const isSame =
    isThereToo && (await isSharedPool(new VolumePool(here.host, pool), new VolumePool(there.host, pool), options));
  return isSame ? undefined : `is a Volume in pool "${pool}", which is not shared: it is not the same`;
}

async function spaceOf({ written, still }: VmFiles, { there, options }: Pair): Promise<number> {
  let bytes = 0;
  for (const { volume } of written) bytes += volume.allocationBytes;
  for (const volume of still) {
    if (!(await isThere(volume, there.pool, options))) bytes += volume.physicalBytes ?? volume.allocationBytes;
  }
  return bytes;
}
