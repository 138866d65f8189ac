// Whole disks for another VM on another host: sent through the server, and read again there, so that what was told is what is there.

import { ProviderError } from "@vivarium/provider";
import type { CallOptions, ExportedDisk, MoveProgress, VmIdentity } from "@vivarium/provider";
import { findOwnDomain } from "../domain/lookup.ts";
import { diskOfVolume, diskVolumeName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import type { VolumeView } from "../volume-xml.ts";
import { checksumOf, copyFile } from "./files.ts";
import type { MigrationParts } from "./target.ts";

export async function exportDisks(
  owner: VmIdentity,
  {
    here,
    there,
    vm,
    isVerified,
    onProgress,
    options,
  }: {
    readonly here: MigrationParts;
    readonly there: MigrationParts;
    readonly vm: VmIdentity;
    readonly isVerified: boolean;
    readonly onProgress: (progress: MoveProgress) => void;
    readonly options: CallOptions | undefined;
  },
): Promise<readonly ExportedDisk[]> {
  const action = "copy disks to";
  const domain = await there.host.attempt(
    `${action} VM "${vm.name}"`,
    (libvirt) => findOwnDomain(libvirt, { vm, options, action }),
    options,
  );
  if (domain !== undefined) {
    throw new ProviderError("Conflict", `Cannot ${action} VM "${vm.name}": it has a domain already`);
  }
  const disks = await disksOf(owner, here.pool, options);
  const totalBytes = disks.reduce((sum, { volume }) => sum + (volume.physicalBytes ?? volume.allocationBytes), 0);
  let doneBytes = 0;
  const onBytes = (count: number): void => {
    doneBytes += count;
    onProgress({ doneBytes, totalBytes: Math.max(totalBytes, doneBytes) });
  };
  const exported: ExportedDisk[] = [];
  for (const { disk, volume } of disks) {
    const name = diskVolumeName(vm, disk);
    const sent = await copyFile(volume, { from: here.pool, to: there.pool, as: name, onBytes, options });
    if (isVerified) await verify(name, sent.checksum, { pool: there.pool, options });
    exported.push({ name: disk, volume: name, sizeBytes: volume.capacityBytes, ...sent });
  }
  // Only now libvirt sees what the copies are.
  await there.pool.refresh(options);
  for (const { volume, sizeBytes } of exported) {
    const found = await there.pool.find(volume, options);
    if (found?.capacityBytes === sizeBytes) continue;
    const message = `Cannot use the copy "${volume}": it is a disk of ${found?.capacityBytes ?? 0} bytes, expected ${sizeBytes}`;
    throw new ProviderError("Internal", message);
  }
  return exported;
}

async function verify(
  name: string,
  wanted: string,
  { pool, options }: { readonly pool: VolumePool; readonly options: CallOptions | undefined },
): Promise<void> {
  const found = await checksumOf(name, pool, options);
  if (found === wanted) return;
  throw new ProviderError("Internal", `Cannot use the copy "${name}": its checksum is ${found}, expected ${wanted}`);
}

async function disksOf(
  owner: VmIdentity,
  pool: VolumePool,
  options: CallOptions | undefined,
): Promise<readonly { readonly disk: string; readonly volume: VolumeView }[]> {
  await pool.refresh(options);
  const found: { readonly disk: string; readonly volume: VolumeView }[] = [];
  for (const name of await pool.names(options)) {
    const disk = diskOfVolume(owner, name);
    const volume = disk === undefined ? undefined : await pool.find(name, options);
    if (disk === undefined || volume === undefined) continue;
    if (volume.backingPath !== undefined) {
      const message = `Cannot copy disk "${disk}" of "${owner.name}": it rests on ${volume.backingPath}, expected a disk of its own`;
      throw new ProviderError("Conflict", message);
    }
    found.push({ disk, volume });
  }
  if (found.length > 0) return found;
  throw new ProviderError("NotFound", `Cannot copy disks of "${owner.name}": it has none`);
}
