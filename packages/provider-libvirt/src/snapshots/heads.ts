// Which file each of a VM's own disks is written to. A domain says so itself; of a disk that no domain has, the files do: it is the one that
// nothing backs onto. To take another would undo what was written, and ruin every snapshot after it.

import { ProviderError } from "@vivarium/provider";
import type { CallOptions, DiskDefinition, VmIdentity } from "@vivarium/provider";
import { nameOfDisk } from "../domain/disks.ts";
import type { DiskView } from "../domain/disks.ts";
import { diskOfVolume, diskVolumeName, volumePrefix } from "../names.ts";
import type { VolumePool } from "../pool.ts";

interface Heads {
  readonly pool: VolumePool;
  readonly poolPath: string;
  /** Disks of the domain, where there is one. */
  readonly known: readonly DiskView[];
  readonly options: CallOptions | undefined;
}

/** By disk: the volume, where that is not the disk's first. Conflict where it cannot be told. */
export async function headsOf(
  vm: VmIdentity,
  disks: readonly Pick<DiskDefinition, "name" | "volume">[],
  { pool, poolPath, known, options }: Heads,
): Promise<ReadonlyMap<string, string>> {
  const heads = new Map<string, string>();
  const own = disks.filter(({ volume }) => volume === undefined).map(({ name }) => name);
  let names: readonly string[] | undefined;
  for (const name of own) {
    const attached = known.find((view) => nameOfDisk(vm, view) === name);
    const volume = attached && volumeIn(vm, attached, poolPath);
    if (volume !== undefined) {
      heads.set(name, volume);
      continue;
    }
    names ??= await pool.names(options);
    const files = names.filter((file) => diskOfVolume(vm, file) === name);
    if (files.length > 1) heads.set(name, await lastOf(vm, { disk: name, files, pool, poolPath, options }));
  }
  return heads;
}

/** The volume of the VM's own that this disk of its domain is, also where somebody else's snapshot named it. */
export function volumeIn(vm: VmIdentity, { source }: DiskView, poolPath: string): string | undefined {
  return source?.startsWith(`${poolPath}/${volumePrefix(vm)}`) === true ? source.slice(poolPath.length + 1) : undefined;
}

async function lastOf(
  vm: VmIdentity,
  {
    disk,
    files,
    pool,
    poolPath,
    options,
  }: Omit<Heads, "known"> & { readonly disk: string; readonly files: readonly string[] },
): Promise<string> {
  await pool.refresh(options);
  const views = await Promise.all(files.map((file) => pool.find(file, options)));
  const below = new Set(views.flatMap((view) => view?.backingPath ?? []));
  const last = files.filter((file) => !below.has(`${poolPath}/${file}`));
  const [only] = last;
  if (last.length === 1 && only !== undefined) return only;
  const message = `Cannot tell which file disk "${disk}" of VM "${vm.name}" is written to: nothing backs onto ${last.join(", ")}, and no domain says which it was. ${diskVolumeName(vm, disk)} is below them and must not be written`;
  throw new ProviderError("Conflict", message);
}
