// Volumes with a life of their own: made empty, copied, cloned or uploaded, grown under a running VM, and deleted once nothing needs
// them. Whoever calls knows whether a volume that is there is whole; here only what lies on the host is seen.

import { FileParts, StorageVolCreateFlags } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { CallOptions, VolumeCreation, VolumeObservation, VolumeRef, VolumeRole } from "@vivarium/provider";
import { invalidSpec } from "../libvirt-host.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { VolumePool } from "../pool.ts";
import { buildVolumeXml } from "../volume-xml.ts";
import type { VolumeSpec, VolumeView } from "../volume-xml.ts";
import { parseDomainXml } from "../domain/view.ts";
import type { VolumeUsage } from "./usage.ts";

export interface VolumeParts {
  readonly host: LibvirtHost;
  readonly usage: VolumeUsage;
}

export function createVolumes({ host, usage }: VolumeParts): VolumeRole {
  const pools = new Map<string, VolumePool>();
  const poolOf = (name: string): VolumePool => {
    const pool = pools.get(name) ?? new VolumePool(host, name);
    pools.set(name, pool);
    return pool;
  };

  const usersOf = (
    volume: VolumeRef & { readonly path: string },
    options: CallOptions & { readonly isFresh?: boolean },
  ): ReturnType<VolumeUsage["usersOf"]> =>
    host.attempt(`look for users of volume "${volume.name}"`, (libvirt) => usage.usersOf(libvirt, volume, options));

  async function sourceOf(
    volume: VolumeRef,
    from: NonNullable<VolumeCreation["from"]>,
    options: CallOptions | undefined,
  ): Promise<VolumeView & { readonly pool: string }> {
    const ref = "imageId" in from.source ? { pool: host.config.pool, name: from.source.imageId } : from.source.volume;
    const view = await poolOf(ref.pool).find(ref.name, options);
    if (view === undefined) {
      const message = `Cannot make volume "${volume.name}": its source "${ref.pool}/${ref.name}" does not exist`;
      throw new ProviderError("NotFound", message);
    }
    const users = await usersOf({ ...ref, path: view.path }, { ...options, isFresh: true });
    const writer = users.find((user) => user.kind === "vm" && user.isOn);
    if (writer !== undefined) {
      const message = `Cannot make volume "${volume.name}" from "${ref.pool}/${ref.name}": domain "${writer.name}" runs with it; stop it first`;
      throw new ProviderError("Conflict", message);
    }
    return { ...view, pool: ref.pool };
  }

  return {
    observe: (volume, options) => observe(volume, options),

    async create(volume, creation, options) {
      const { format, sizeBytes, preallocation, from } = creation;
      if (from?.method === "linked" && format !== "qcow2") {
        throw invalidSpec(`Cannot make volume "${volume.name}": a linked clone has format "qcow2", found "${format}"`);
      }
      const source = from && (await sourceOf(volume, from, options));
      const capacityBytes = Math.max(sizeBytes, source?.capacityBytes ?? 0);
      const isLinked = from?.method === "linked";
      const spec: VolumeSpec = {
        name: volume.name,
        format,
        capacityBytes,
        allocationBytes: preallocation === "full" ? capacityBytes : 0,
        ...(isLinked && source !== undefined ? { backing: { path: source.path, format: formatOf(source) } } : {}),
      };
      const flags =
        preallocation !== "none" && format === "qcow2" && source === undefined
          ? StorageVolCreateFlags.PREALLOC_METADATA
          : 0;
      const neededBytes = preallocation === "full" ? capacityBytes : isLinked ? 0 : (source?.allocationBytes ?? 0);
      await poolOf(volume.pool).orNoSpace(
        volume.name,
        neededBytes,
        poolOf(volume.pool).use(
          `make volume "${volume.name}"`,
          async ({ libvirt, pool }) => {
            const xml = buildVolumeXml(spec);
            if (source === undefined || isLinked) {
              await libvirt.storageVolCreateXml(pool, xml, { ...options, flags });
              return;
            }
            const from = await findVolume(libvirt, source);
            const made = await libvirt.storageVolCreateXmlFrom(pool, { xml, from }, options);
            // A copy has the size of its source, whatever was asked for.
            if (capacityBytes > source.capacityBytes) await libvirt.storageVolResize(made, capacityBytes, options);
          },
          options,
        ),
      );
      usage.forget();
    },

    async upload(volume, file, options) {
      const pool = poolOf(volume.pool);
      if ((await pool.find(volume.name, options)) !== undefined) {
        throw new ProviderError("AlreadyExists", `Cannot make volume "${volume.name}": there is one`);
      }
      await pool.write(volume.name, new FileParts(file.path), { ...options, sizeBytes: file.sizeBytes });
      // Until then libvirt has it as the raw file that it was before the upload.
      await pool.refresh(options);
    },

    async grow(volume, sizeBytes, options) {
      const view = await poolOf(volume.pool).find(volume.name, options);
      if (view === undefined) {
        throw new ProviderError("NotFound", `Cannot grow volume "${volume.name}": pool "${volume.pool}" has none`);
      }
      if (sizeBytes === view.capacityBytes) return;
      if (sizeBytes < view.capacityBytes) {
        throw invalidSpec(
          `Cannot shrink volume "${volume.name}" from ${view.capacityBytes} to ${sizeBytes} bytes: what lies beyond would be lost`,
        );
      }
      const users = await usersOf({ ...volume, path: view.path }, { ...options, isFresh: true });
      const clone = users.find((user) => user.kind === "volume");
      if (clone !== undefined) {
        throw new ProviderError("Conflict", `Cannot grow volume "${volume.name}": "${clone.name}" backs onto it`);
      }
      const runner = users.find((user) => user.kind === "vm" && user.isOn);
      await poolOf(volume.pool).orNoSpace(
        volume.name,
        0,
        host.attempt(
          `grow volume "${volume.name}"`,
          async (libvirt) => {
            if (runner?.kind !== "vm") return poolOf(volume.pool).resize(volume.name, sizeBytes, options);
            const domain = await libvirt.domainLookupByUuid(runner.uid, options);
            const { disks } = parseDomainXml(await libvirt.domainGetXmlDesc(domain, options));
            const disk = disks.find(({ source }) => source === view.path);
            if (disk === undefined)
              throw new ProviderError(
                "Unavailable",
                `Cannot grow volume "${volume.name}": domain "${domain.name}" is changing its disks`,
              );
            await libvirt.domainBlockResize(domain, { disk: disk.target, capacityBytes: sizeBytes }, options);
          },
          options,
        ),
      );
    },

    async remove(volume, options) {
      const pool = poolOf(volume.pool);
      let view: VolumeView | undefined;
      try {
        // Somebody may have made or removed it behind libvirt's back.
        await pool.refresh(options);
        view = await pool.find(volume.name, options);
      } catch (error) {
        // A pool that is gone has taken its volumes along.
        if (isProviderError(error, "NotFound")) return;
        throw error;
      }
      if (view === undefined) return;
      const users = await usersOf({ ...volume, path: view.path }, { ...options, isFresh: true });
      if (users.length > 0) {
        const names = users.map((user) => (user.kind === "vm" ? `domain ${user.name}` : `volume ${user.name}`));
        throw new ProviderError("Conflict", `Cannot delete volume "${volume.name}": in use by ${names.join(", ")}`);
      }
      await pool.delete(volume.name, options);
      usage.forget();
    },
  };

  async function observe(volume: VolumeRef, options: CallOptions | undefined): Promise<VolumeObservation> {
    let view: VolumeView | undefined;
    try {
      view = await poolOf(volume.pool).find(volume.name, options);
    } catch (error) {
      // No such pool, or a stopped one.
      if (!isProviderError(error, "NotFound", "Conflict")) throw error;
      return { kind: "pool-away", reason: error.message };
    }
    if (view === undefined) return { kind: "absent" };
    const users = await usersOf({ ...volume, path: view.path }, options ?? {});
    const { path, format, capacityBytes, allocationBytes } = view;
    return { kind: "present", path, format, capacityBytes, allocationBytes, users };
  }
}

async function findVolume(libvirt: Libvirt, source: { readonly pool: string; readonly name: string }) {
  const pool = await libvirt.storagePoolLookupByName(source.pool);
  return libvirt.storageVolLookupByName(pool, source.name);
}

function formatOf(view: VolumeView): "qcow2" | "raw" {
  return view.format === "qcow2" ? "qcow2" : "raw";
}
