// Layers of the simulated hypervisor: what a VM has on its disk is one string, which becomes that of the image.

import { createHash } from "node:crypto";
import type { LayerRole } from "../layers.ts";
import { ProviderError } from "../provider-error.ts";
import { isOn, ownDomain, volumeName } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { layerText } from "./image-backups.ts";
import { importedImage, usersAt } from "./storage.ts";

const mebibyte = 2 ** 20;

export function simulatedLayers({ world, gate }: SimulatedParts): LayerRole {
  return {
    seal: (vm, { disk, digest }, options) =>
      gate.run("layers.seal", {
        subject: vm.uid,
        options,
        act() {
          const there = world.images.get(digest);
          if (there !== undefined) return importedImage(there);
          const refuse = (code: "NotFound" | "Conflict", why: string): ProviderError =>
            new ProviderError(code, `Cannot seal disk "${disk}" of VM "${vm.name}": ${why}`);
          const domain = ownDomain(world, vm, "seal a disk of");
          const volume = world.volumes.get(volumeName(vm, disk));
          if (domain === undefined || volume?.imageId === undefined) throw refuse("NotFound", "there is no such disk");
          if (isOn(domain)) throw refuse("Conflict", `the VM is "${domain.power}", expected "off"`);
          if ((world.trees.get(vm.uid)?.snapshots.size ?? 0) > 0) throw refuse("Conflict", "the VM has snapshots");
          const image = {
            digest,
            format: "qcow2" as const,
            path: `/sim/layers/${digest}`,
            sizeBytes: mebibyte,
            virtualSizeBytes: volume.sizeBytes,
            backing: volume.imageId,
            data: domain.data ?? "",
          };
          world.images.set(digest, image);
          options?.onProgress?.(image.sizeBytes);
          return importedImage(image);
        },
      }),
    measure: (digest, options) =>
      gate.run("layers.measure", {
        subject: digest,
        options,
        act() {
          const image = world.images.get(digest);
          if (image === undefined) throw new ProviderError("NotFound", `Cannot read image ${digest}: it is not there`);
          const hash = createHash("sha256").update(layerText(image));
          options?.onProgress?.(image.sizeBytes);
          return {
            // What was brought is named by its bytes.
            contentDigest: image.data === undefined ? image.digest : `sha256:${hash.digest("hex")}`,
            sizeBytes: image.sizeBytes,
            allocationBytes: image.sizeBytes,
          };
        },
      }),
    usersOf: (path, options) => gate.run("layers.usersOf", { subject: path, options, act: () => usersAt(world, path) }),
  };
}
