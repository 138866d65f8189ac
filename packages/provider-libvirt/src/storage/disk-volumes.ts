// Paths of the volumes that a VM's disks name: there, and nobody else's. Two guests that write to one disk destroy it.

import { ProviderError } from "@vivarium/provider";
import type { CallOptions, DiskDefinition, VmIdentity } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { VolumePool } from "../pool.ts";
import type { VolumeUsage } from "./usage.ts";

export interface DiskVolumeParts {
  readonly host: LibvirtHost;
  readonly usage: VolumeUsage;
}

/** By name of the disk. NotFound where there is no such volume, Conflict where another domain has it or a volume backs onto it. */
export async function diskVolumesOf(
  vm: VmIdentity,
  disks: readonly DiskDefinition[],
  { host, usage, options }: DiskVolumeParts & { readonly options: CallOptions | undefined },
): Promise<ReadonlyMap<string, string>> {
  const paths = new Map<string, string>();
  for (const { name, volume, isReadOnly } of disks) {
    if (volume === undefined) continue;
    const what = `Cannot give VM "${vm.name}" disk "${name}"`;
    const view = await new VolumePool(host, volume.pool).find(volume.name, options);
    if (view === undefined) {
      throw new ProviderError("NotFound", `${what}: pool "${volume.pool}" has no volume "${volume.name}"`);
    }
    const users = await host.attempt(`look for users of volume "${volume.name}"`, (libvirt) =>
      usage.usersOf(libvirt, { ...volume, path: view.path }, { ...options, isFresh: true }),
    );
    const other = users.find((user) => user.kind === "vm" && user.uid !== vm.uid);
    if (other !== undefined) {
      const message = `${what}: domain "${other.name}" has volume "${volume.name}", and two cannot write to one disk`;
      throw new ProviderError("Conflict", message);
    }
    const clone = users.find((user) => user.kind === "volume");
    if (clone !== undefined && isReadOnly !== true) {
      const message = `${what}: volume "${clone.name}" backs onto "${volume.name}", which must not change`;
      throw new ProviderError("Conflict", message);
    }
    paths.set(name, view.path);
  }
  return paths;
}
