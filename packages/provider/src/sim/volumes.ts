// Volumes of the simulated hypervisor's pools, with the rules of a real one: nothing in use is deleted, nothing is shrunk.

import { ProviderError } from "../provider-error.ts";
import type { VolumeObservation, VolumeRef, VolumeRole, VolumeUser } from "../storage.ts";
import { isOn, isVolume } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { imageIdOf } from "./storage.ts";
import type { SimulatedPoolVolume, SimulatedWorld } from "./world.ts";

export function simulatedVolumes({ world, gate }: Pick<SimulatedParts, "world" | "gate">): VolumeRole {
  const put = (ref: VolumeRef, volume: Omit<SimulatedPoolVolume, "pool" | "name">): void => {
    requireRoom(world, ref, volume.allocationBytes);
    if (world.poolVolumes.has(keyOf(ref))) {
      throw new ProviderError("AlreadyExists", `Cannot make volume "${keyOf(ref)}": there is one`);
    }
    world.poolVolumes.set(keyOf(ref), { ...ref, ...volume });
  };
  return {
    observe: (ref, options) =>
      gate.run("volumes.observe", { subject: keyOf(ref), options, act: () => observe(world, ref) }),
    create: (ref, creation, options) =>
      gate.run("volumes.create", {
        subject: keyOf(ref),
        options,
        act() {
          const { format, sizeBytes, preallocation, from } = creation;
          const source = from && sourceOf(world, ref, from.source);
          const isLinked = from?.method === "linked";
          put(ref, {
            format,
            sizeBytes: Math.max(sizeBytes, source?.sizeBytes ?? 0),
            allocationBytes: preallocation === "full" ? sizeBytes : isLinked ? 0 : (source?.allocationBytes ?? 0),
            ...(isLinked && source !== undefined ? { backing: source.name } : {}),
          });
        },
      }),
    upload: (ref, file, options) =>
      gate.run("volumes.upload", {
        subject: keyOf(ref),
        options,
        act() {
          put(ref, { format: file.format, sizeBytes: file.sizeBytes, allocationBytes: file.sizeBytes });
          options?.onProgress?.(file.sizeBytes);
        },
      }),
    grow: (ref, sizeBytes, options) =>
      gate.run("volumes.grow", {
        subject: keyOf(ref),
        options,
        act() {
          const volume = world.poolVolumes.get(keyOf(ref));
          if (volume === undefined) {
            throw new ProviderError("NotFound", `Cannot grow volume "${keyOf(ref)}": there is none`);
          }
          if (sizeBytes < volume.sizeBytes) {
            throw new ProviderError(
              "InvalidSpec",
              `Cannot shrink volume "${keyOf(ref)}" from ${volume.sizeBytes} bytes`,
            );
          }
          volume.sizeBytes = sizeBytes;
        },
      }),
    remove: (ref, options) =>
      gate.run("volumes.remove", {
        subject: keyOf(ref),
        options,
        act() {
          const users = usersOf(world, ref);
          if (users.length > 0) {
            const names = users.map((user) => user.name).join(", ");
            throw new ProviderError("Conflict", `Cannot delete volume "${keyOf(ref)}": in use by ${names}`);
          }
          world.poolVolumes.delete(keyOf(ref));
        },
      }),
  };
}

function observe(world: SimulatedWorld, ref: VolumeRef): VolumeObservation {
  if (world.pools.get(ref.pool)?.isActive !== true) {
    return { kind: "pool-away", reason: `pool "${ref.pool}" is not active` };
  }
  const volume = world.poolVolumes.get(keyOf(ref));
  if (volume === undefined) return { kind: "absent" };
  return {
    kind: "present",
    path: `/sim/${keyOf(ref)}`,
    format: volume.format,
    capacityBytes: volume.sizeBytes,
    allocationBytes: volume.allocationBytes,
    users: usersOf(world, ref),
  };
}

function usersOf(world: SimulatedWorld, ref: VolumeRef): readonly VolumeUser[] {
  const domains = [...world.domains.values()].filter((domain) =>
    domain.disks.some((disk) => isVolume(disk, keyOf(ref))),
  );
  const clones = world.volumesIn(ref.pool).filter((volume) => volume.backing === ref.name);
  return [
    ...domains.map((domain): VolumeUser => ({ kind: "vm", name: domain.name, uid: domain.uid, isOn: isOn(domain) })),
    ...clones.map(({ pool, name }): VolumeUser => ({ kind: "volume", pool, name })),
  ];
}

function sourceOf(
  world: SimulatedWorld,
  ref: VolumeRef,
  source: { readonly volume: VolumeRef } | { readonly imageId: string },
): { readonly name: string; readonly sizeBytes: number; readonly allocationBytes: number } {
  const missing = (what: string): never => {
    throw new ProviderError("NotFound", `Cannot make volume "${keyOf(ref)}": there is no ${what}`);
  };
  if ("imageId" in source) {
    const image = [...world.images.values()].find((each) => imageIdOf(each.digest) === source.imageId);
    if (image === undefined) return missing(`image "${source.imageId}"`);
    return { name: source.imageId, sizeBytes: image.virtualSizeBytes, allocationBytes: image.sizeBytes };
  }
  const volume = world.poolVolumes.get(keyOf(source.volume));
  if (volume === undefined) return missing(`volume "${keyOf(source.volume)}"`);
  const writer = usersOf(world, source.volume).find((user) => user.kind === "vm" && user.isOn);
  if (writer !== undefined) {
    throw new ProviderError(
      "Conflict",
      `Cannot make volume "${keyOf(ref)}" from "${keyOf(source.volume)}": domain "${writer.name}" writes to it`,
    );
  }
  return volume;
}

function requireRoom(world: SimulatedWorld, ref: VolumeRef, bytes: number): void {
  const pool = world.pools.get(ref.pool);
  if (pool === undefined) {
    throw new ProviderError("NotFound", `Cannot make volume "${keyOf(ref)}": there is no pool "${ref.pool}"`);
  }
  const taken = world.volumesIn(ref.pool).reduce((sum, volume) => sum + volume.allocationBytes, 0);
  if (taken + bytes > pool.capacityBytes) {
    throw new ProviderError(
      "NoSpace",
      `Cannot make volume "${keyOf(ref)}": it needs ${bytes} bytes, pool "${ref.pool}" has ${pool.capacityBytes - taken} free`,
    );
  }
}

function keyOf({ pool, name }: VolumeRef): string {
  return `${pool}/${name}`;
}
