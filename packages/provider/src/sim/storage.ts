// Disks, seeds and images of the simulated hypervisor.

import { ProviderError } from "../provider-error.ts";
import type { DiskRole, ImageFile, ImageRole, ImportedImage } from "../provider.ts";
import { isOn, volumeName } from "./compute.ts";
import type { SimulatedWorld } from "./world.ts";
import type { SimulatedParts } from "./compute.ts";

export function simulatedDisks({ world, gate }: Pick<SimulatedParts, "world" | "gate">): DiskRole {
  return {
    ensureRoot: (vm, disk, options) =>
      gate.run("disks.ensureRoot", {
        subject: vm.uid,
        options,
        act() {
          const name = volumeName(vm, disk.name);
          if (world.volumes.has(name)) return;
          const image = [...world.images.values()].find((candidate) => imageIdOf(candidate.digest) === disk.imageId);
          if (image === undefined) {
            throw new ProviderError(
              "NotFound",
              `Cannot clone disk "${name}": image "${disk.imageId}" is not on the host`,
            );
          }
          const sizeBytes = Math.max(disk.sizeBytes ?? 0, image.virtualSizeBytes);
          world.volumes.set(name, { name, owner: vm, sizeBytes, imageId: disk.imageId });
        },
      }),
    ensureData: (vm, disk, options) =>
      gate.run("disks.ensureData", {
        subject: vm.uid,
        options,
        act() {
          const name = volumeName(vm, disk.name);
          if (!world.volumes.has(name)) world.volumes.set(name, { name, owner: vm, sizeBytes: disk.sizeBytes });
        },
      }),
    writeSeed: (vm, iso, options) =>
      gate.run("disks.writeSeed", {
        subject: vm.uid,
        options,
        act() {
          const domain = world.domains.get(vm.uid);
          if (domain !== undefined && isOn(domain)) {
            throw new ProviderError(
              "Conflict",
              `Cannot write the seed of VM "${vm.name}": it is "${domain.power}", expected "off"`,
            );
          }
          const name = volumeName(vm, "seed");
          world.volumes.set(name, { name, owner: vm, sizeBytes: iso.byteLength });
        },
      }),
    remove: (vm, options) =>
      gate.run("disks.remove", {
        subject: vm.uid,
        options,
        act() {
          const users = [...world.volumes.values()].filter(
            ({ base, owner }) => base === vm.uid && owner.uid !== vm.uid,
          );
          if (users.length > 0) {
            const names = users.map(({ name }) => name).join(", ");
            throw new ProviderError("Conflict", `Cannot delete the disks of VM "${vm.name}": ${names} back onto them`);
          }
          for (const volume of world.volumesOf(vm.uid)) world.volumes.delete(volume.name);
        },
      }),
  };
}

export function simulatedImages({ world, gate }: Pick<SimulatedParts, "world" | "gate">): ImageRole {
  return {
    find: (digest, options) =>
      gate.run("images.find", {
        subject: digest,
        options,
        act() {
          const image = world.images.get(digest);
          return image === undefined ? undefined : importedImage(image);
        },
      }),
    import: (image, options) =>
      gate.run("images.import", {
        subject: image.digest,
        options,
        act() {
          if (!world.images.has(image.digest)) {
            world.images.set(image.digest, image);
            options?.onProgress?.(image.sizeBytes);
          }
          return importedImage(image);
        },
      }),
    remove: (digest, options) =>
      gate.run("images.remove", {
        subject: digest,
        options,
        act: () => removeImage(world, digest),
      }),
    list: (options) =>
      gate.run("images.list", {
        subject: "",
        options,
        act: () =>
          [...world.images.values()].map((image) => ({
            id: imageIdOf(image.digest),
            digestStart: image.digest,
            sizeBytes: image.sizeBytes,
            isComplete: true,
            users: usersOf(world, image.digest),
          })),
      }),
    discard: (id, options) =>
      gate.run("images.discard", {
        subject: id,
        options,
        act() {
          const digest = [...world.images.keys()].find((each) => imageIdOf(each) === id);
          if (digest !== undefined) removeImage(world, digest);
        },
      }),
  };
}

function removeImage(world: SimulatedWorld, digest: string): void {
  const users = usersOf(world, digest);
  if (users.length > 0) {
    throw new ProviderError("Conflict", `Cannot delete image ${imageIdOf(digest)}: in use by ${users.join(", ")}`);
  }
  world.images.delete(digest);
}

function usersOf(world: SimulatedWorld, digest: string): readonly string[] {
  return usersOfId(world, imageIdOf(digest));
}

/** Also of an image that is not there any more. */
export function usersAt(world: SimulatedWorld, path: string): readonly string[] {
  return usersOfId(world, /image-[0-9a-f]{24}/.exec(path)?.[0] ?? "");
}

function usersOfId(world: SimulatedWorld, id: string): readonly string[] {
  const roots = [...world.volumes.values()].filter((volume) => volume.imageId === id);
  const clones = [...world.poolVolumes.values()].filter((volume) => volume.backing === id);
  const layers = [...world.images.values()].filter((image) => image.backing === id);
  return [...[...roots, ...clones].map(({ name }) => name), ...layers.map((layer) => imageIdOf(layer.digest))];
}

export function imageIdOf(digest: string): string {
  return `image-${digest.slice("sha256:".length, "sha256:".length + 24)}`;
}

export function importedImage(image: ImageFile): ImportedImage {
  const id = imageIdOf(image.digest);
  return { id, path: `/sim/images/${id}.${image.format}`, virtualSizeBytes: image.virtualSizeBytes };
}
