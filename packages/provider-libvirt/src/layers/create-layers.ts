// Layers: images that are the files of what VMs wrote beyond their image. The file is copied as it is, header and all, so that the copy backs
// onto the same image; holes that the guest's discards left stay holes. Named and judged complete like every image: by its length.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { DomainState, isLibvirtError } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, LayerRole, VmIdentity } from "@vivarium/provider";
import { findComplete, volumesOf } from "../images.ts";
import type { WantedImage } from "../images.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { digest24, diskOfVolume, diskVolumeName, imageVolumeName, parseImageVolumeName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import type { VolumeUsage } from "../storage/usage.ts";
import type { VolumeView } from "../volume-xml.ts";

export function createLayers({
  host,
  pool,
  usage,
}: {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly usage: VolumeUsage;
}): LayerRole {
  return {
    async seal(vm, layer, options = {}) {
      const wanted = { digest: layer.digest, options };
      const existing = await findComplete(pool, wanted);
      if (existing !== undefined) return existing;
      await requireOff(host, { vm, disk: layer.disk, options });
      const { source, sizeBytes } = await sourceOf(pool, { vm, disk: layer.disk, options });
      const name = imageVolumeName({ digest24: digest24(layer.digest), format: "qcow2", sizeBytes });
      for (const left of await volumesOf(pool, wanted)) await pool.delete(left, options);
      return pool.use(
        `seal disk "${layer.disk}" of VM "${vm.name}"`,
        async (open) => {
          const from = await open.libvirt.storageVolLookupByName(open.pool, source.name, options);
          const sparse = open.libvirt.storageVolDownloadSparse(from, signalOf(options));
          await pool.write(name, { sparse }, { ...options, sizeBytes: source.allocationBytes });
          const sealed = await findComplete(pool, wanted);
          if (sealed !== undefined) return sealed;
          throw new ProviderError("Internal", `Cannot seal image "${name}": the host has not kept all of its bytes`);
        },
        options,
      );
    },

    async measure(digest, options = {}) {
      // A file that somebody took away or cut short is still in libvirt's list as it was.
      await pool.refresh(options);
      const view = await findWhole(pool, { digest, options });
      if (view === undefined) throw new ProviderError("NotFound", `Cannot read image ${digest}: it is not in the pool`);
      const hash = createHash("sha256");
      let sizeBytes = 0;
      await pool.use(
        `read image "${view.name}"`,
        async (open) => {
          const volume = await open.libvirt.storageVolLookupByName(open.pool, view.name, options);
          for await (const chunk of open.libvirt.storageVolDownload(volume, signalOf(options))) {
            hash.update(chunk);
            sizeBytes += chunk.length;
            options.onProgress?.(sizeBytes);
          }
        },
        options,
      );
      return {
        contentDigest: `sha256:${hash.digest("hex")}`,
        sizeBytes,
        allocationBytes: view.allocationBytes,
      };
    },

    async usersOf(path, options) {
      const users = await pool.use(
        `look for users of "${path}"`,
        ({ libvirt, pool: { name } }) =>
          usage.usersOf(libvirt, { pool: name, name: basename(path), path }, { ...options, isFresh: true }),
        options,
      );
      return users.map((user) => user.name);
    },
  };
}

/** By its length alone: one that is no qcow2 any more is read, too. */
export async function findWhole(pool: VolumePool, wanted: WantedImage): Promise<VolumeView | undefined> {
  for (const id of await volumesOf(pool, wanted)) {
    const view = await pool.find(id, wanted.options);
    if (view?.physicalBytes === parseImageVolumeName(id)?.sizeBytes) return view;
  }
  return undefined;
}

async function requireOff(
  host: LibvirtHost,
  { vm, disk, options }: { readonly vm: VmIdentity; readonly disk: string; readonly options: CallOptions },
): Promise<void> {
  const state = await host.attempt(`look at VM "${vm.name}"`, async (libvirt) => {
    try {
      return await libvirt.domainGetState(await libvirt.domainLookupByUuid(vm.uid, options), options);
    } catch (error) {
      if (isLibvirtError(error, "NO_DOMAIN")) return undefined;
      throw error;
    }
  });
  if (state === undefined) throw new ProviderError("NotFound", refusal(vm, disk, "there is no such VM"));
  if (state.state === DomainState.SHUTOFF) return;
  throw new ProviderError("Conflict", refusal(vm, disk, "the VM is on; shut it down first"));
}

/** The disk's one file. With snapshots it would be a chain, of which the last part alone is no layer upon the image. */
async function sourceOf(
  pool: VolumePool,
  { vm, disk, options }: { readonly vm: VmIdentity; readonly disk: string; readonly options: CallOptions },
): Promise<{ readonly source: VolumeView; readonly sizeBytes: number }> {
  // What the guest wrote last is not what libvirt last saw.
  await pool.refresh(options);
  const files = (await pool.names(options)).filter((name) => diskOfVolume(vm, name) === disk);
  if (files.length > 1)
    throw new ProviderError("Conflict", refusal(vm, disk, "the VM has snapshots; delete them first"));
  const source = await pool.find(diskVolumeName(vm, disk), options);
  if (source?.physicalBytes === undefined)
    throw new ProviderError("NotFound", refusal(vm, disk, "there is no such disk"));
  return { source, sizeBytes: source.physicalBytes };
}

function refusal(vm: VmIdentity, disk: string, why: string): string {
  return `Cannot seal disk "${disk}" of VM "${vm.name}": ${why}`;
}

function signalOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? {} : { signal };
}
