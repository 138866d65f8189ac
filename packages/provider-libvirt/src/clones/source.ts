// The files that a clone is made of: none of them is written while it is read.

import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, CloneSource } from "@vivarium/provider";
import { findOwnDomain, requireOwnDomain } from "../domain/lookup.ts";
import { diskOfVolume, diskVolumeName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import { internalsOf } from "../snapshots/internal.ts";
import type { VolumeView } from "../volume-xml.ts";

export interface SourceDisk {
  readonly disk: string;
  readonly view: VolumeView;
}

interface Subject {
  readonly pool: VolumePool;
  readonly options: CallOptions | undefined;
}

export async function sourceDisks(
  libvirt: Libvirt,
  source: CloneSource,
  { pool, options }: Subject,
): Promise<readonly SourceDisk[]> {
  const volumes = await volumesOf(libvirt, source, { pool, options });
  return Promise.all(
    volumes.map(async ({ disk, volume }) => {
      const view = await pool.find(volume, options);
      if (view !== undefined) return { disk, view };
      throw new ProviderError("NotFound", `Cannot clone ${nameOf(source)}: volume "${volume}" does not exist`);
    }),
  );
}

interface NamedVolume {
  readonly disk: string;
  readonly volume: string;
}

async function volumesOf(
  libvirt: Libvirt,
  source: CloneSource,
  { pool, options }: Subject,
): Promise<readonly NamedVolume[]> {
  switch (source.kind) {
    case "snapshot": {
      const { vm, uid } = source;
      const { domain, view } = await requireOwnDomain(libvirt, { vm, options, action: "clone" });
      const snapshot = view.snapshots.snapshots.find((each) => each.uid === uid);
      if (snapshot !== undefined) return snapshot.disks;
      const internals = await internalsOf(libvirt, { vm, domain, options });
      if (!internals.some((each) => each.uid === uid)) {
        throw new ProviderError("NotFound", `Cannot clone VM "${vm.name}": it has no snapshot ${uid}`);
      }
      const message = `Cannot clone VM "${vm.name}" from snapshot ${uid}: it is kept inside the files that the VM writes, expected one of method External`;
      throw new ProviderError("Unsupported", message);
    }
    case "disks": {
      const { owner } = source;
      const action = "clone the disks of";
      if ((await findOwnDomain(libvirt, { vm: owner, options, action })) !== undefined) {
        throw new ProviderError("Conflict", `Cannot ${action} "${owner.name}": it has a domain, which may write them`);
      }
      const disks = (await pool.names(options)).flatMap((volume): readonly NamedVolume[] => {
        const disk = diskOfVolume(owner, volume);
        return disk !== undefined && volume === diskVolumeName(owner, disk) ? [{ disk, volume }] : [];
      });
      if (disks.length > 0) return disks;
      throw new ProviderError("NotFound", `Cannot ${action} "${owner.name}": there are none`);
    }
    case "image":
      return [{ disk: "root", volume: source.imageId }];
  }
}

function nameOf(source: CloneSource): string {
  switch (source.kind) {
    case "snapshot":
      return `VM "${source.vm.name}"`;
    case "disks":
      return `"${source.owner.name}"`;
    case "image":
      return `image "${source.imageId}"`;
  }
}
