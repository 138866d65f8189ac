// Clones on the simulated hypervisor: what is on a VM's disks is one string, which goes along.

import { Readable } from "node:stream";
import type { ClonedDisk, CloneRequest, CloneRole, CloneSource } from "../clones.ts";
import { ProviderError } from "../provider-error.ts";
import type { VmIdentity } from "../provider.ts";
import { ownDomain, requireOwn, volumeName } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { imageIdOf } from "./storage.ts";
import type { SimulatedVolume, SimulatedWorld } from "./world.ts";

export function simulatedClones({ world, gate }: Pick<SimulatedParts, "world" | "gate">): CloneRole {
  return {
    create: (target, request, options) =>
      gate.run("clones.create", {
        subject: target.uid,
        options,
        act() {
          if (ownDomain(world, target, "clone into") !== undefined) {
            throw new ProviderError("Conflict", `Cannot clone into VM "${target.name}": it has a domain already`);
          }
          const found = sourceOf(world, request.source);
          for (const [index, volume] of found.entries()) {
            const name = volumeName(target, volume.disk);
            world.volumes.set(name, { ...madeFrom(volume, request), name, owner: target });
            options?.onProgress?.({
              disk: volume.disk,
              diskDoneBytes: volume.sizeBytes,
              diskTotalBytes: volume.sizeBytes,
              doneDisks: index + 1,
              totalDisks: found.length,
            });
          }
          return found.map(({ disk, sizeBytes }): ClonedDisk => ({ name: disk, sizeBytes }));
        },
      }),
    read: (owner, disk, options) =>
      gate.run("clones.read", {
        subject: owner.uid,
        options,
        act() {
          const volume = world.volumes.get(volumeName(owner, disk));
          const refusal = `Cannot read disk "${disk}" of "${owner.name}"`;
          if (volume === undefined) throw new ProviderError("NotFound", `${refusal}: there is no such disk`);
          if (volume.base !== undefined || volume.imageId !== undefined) {
            throw new ProviderError("Conflict", `${refusal}: it backs onto another file`);
          }
          const bytes = new TextEncoder().encode(volume.data ?? "");
          return { format: "qcow2" as const, sizeBytes: bytes.byteLength, bytes: Readable.from([bytes]) };
        },
      }),
    unlink: (vm, options) =>
      gate.run("clones.unlink", {
        subject: vm.uid,
        options,
        act() {
          requireOwn(world, vm, "unlink");
          if ((world.trees.get(vm.uid)?.snapshots.size ?? 0) > 0) {
            throw new ProviderError("Conflict", `Cannot unlink VM "${vm.name}": it has snapshots`);
          }
          for (const { base: _, ...volume } of world.volumesOf(vm.uid)) world.volumes.set(volume.name, volume);
        },
      }),
  };
}

interface Source {
  readonly disk: string;
  readonly sizeBytes: number;
  readonly data: string;
  /** Whose disk it is; absent for an image. */
  readonly owner?: string;
  readonly imageId?: string;
}

function madeFrom({ sizeBytes, data, owner, imageId }: Source, { method }: CloneRequest) {
  const isLinked = method === "linked";
  return {
    sizeBytes,
    data,
    ...(isLinked && owner !== undefined ? { base: owner } : {}),
    ...(isLinked && imageId !== undefined ? { imageId } : {}),
  };
}

function sourceOf(world: SimulatedWorld, source: CloneSource): readonly Source[] {
  switch (source.kind) {
    case "snapshot": {
      const { vm, uid } = source;
      requireOwn(world, vm, "clone");
      const snapshot = world.trees.get(vm.uid)?.snapshots.get(uid);
      if (snapshot === undefined) {
        throw new ProviderError("NotFound", `Cannot clone VM "${vm.name}": it has no snapshot ${uid}`);
      }
      return snapshot.disks.map((disk) => {
        const sizeBytes = world.volumes.get(volumeName(vm, disk))?.sizeBytes ?? 0;
        return { disk, sizeBytes, data: snapshot.data, owner: vm.uid };
      });
    }
    case "disks": {
      const disks = world.volumesOf(source.owner.uid).flatMap((volume) => diskOf(source.owner, volume));
      if (disks.length === 0)
        throw new ProviderError("NotFound", `Cannot clone "${source.owner.name}": it has no disks`);
      return disks;
    }
    case "image": {
      const { imageId } = source;
      const image = [...world.images.values()].find(({ digest }) => imageIdOf(digest) === imageId);
      if (image === undefined) {
        throw new ProviderError("NotFound", `Cannot clone image "${imageId}": it is not on the host`);
      }
      return [{ disk: "root", sizeBytes: image.virtualSizeBytes, data: "", imageId }];
    }
  }
}

function diskOf(owner: VmIdentity, { name, sizeBytes, data = "" }: SimulatedVolume): readonly Source[] {
  const disk = name.split(".").at(-2) ?? "";
  return name === volumeName(owner, disk) && disk !== "seed" ? [{ disk, sizeBytes, data, owner: owner.uid }] : [];
}
