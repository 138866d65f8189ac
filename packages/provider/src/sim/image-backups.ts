// Copies of image files of the simulated hypervisor. A layer's file is one line with what it backs onto, and what was on the disk; one that
// was brought is the file that it was brought from.

import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ImageBackupRole } from "../image-backups.ts";
import { ProviderError } from "../provider-error.ts";
import type { CallOptions } from "../provider.ts";
import { isOn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { imageIdOf, importedImage } from "./storage.ts";
import type { SimulatedImage, SimulatedWorld } from "./world.ts";

export function simulatedImageBackups({ world, gate }: Pick<SimulatedParts, "world" | "gate">): ImageBackupRole {
  const open = (digest: string, options: CallOptions | undefined): Promise<AsyncIterable<Uint8Array>> =>
    gate.run("imageBackups.read", {
      subject: digest,
      options,
      act() {
        const image = world.images.get(digest);
        if (image === undefined) throw new ProviderError("NotFound", `Cannot read image ${digest}: it is not there`);
        return image.data === undefined ? createReadStream(image.path) : oneChunk(layerText(image));
      },
    });
  return {
    async *read(digest, options) {
      yield* await open(digest, options);
    },
    restore: (image, options) =>
      gate.run("imageBackups.restore", {
        subject: image.digest,
        options,
        async act() {
          const reader = readerOf(world, imageIdOf(image.digest));
          if (reader !== undefined) {
            const message = `Cannot put image ${imageIdOf(image.digest)} back: VM "${reader}" is on and reads from it`;
            throw new ProviderError("Conflict", message);
          }
          world.images.set(image.digest, { ...image, ...(await layerIn(world, image.path)) });
          options?.onProgress?.(image.sizeBytes);
          return importedImage(image);
        },
      }),
  };
}

export function layerText({ backing = "", data = "" }: Pick<SimulatedImage, "backing" | "data">): string {
  return `${backing}\n${data}`;
}

/** Undefined where the file is none of a layer. */
async function layerIn(
  world: SimulatedWorld,
  path: string,
): Promise<Pick<SimulatedImage, "backing" | "data"> | undefined> {
  const [backing = "", ...data] = (await readFile(path, "utf8")).split("\n");
  const isLayer = [...world.images.keys()].some((digest) => imageIdOf(digest) === backing);
  return isLayer ? { backing, data: data.join("\n") } : undefined;
}

/** Name of a domain that is on and has the image below one of its disks. */
function readerOf(world: SimulatedWorld, id: string): string | undefined {
  const ids = new Set([id]);
  for (let size = 0; size !== ids.size;) {
    size = ids.size;
    for (const { backing, digest } of world.images.values()) if (ids.has(backing ?? "")) ids.add(imageIdOf(digest));
  }
  const readers = [...world.volumes.values()].filter(({ imageId }) => ids.has(imageId ?? ""));
  return readers.map(({ owner }) => world.domains.get(owner.uid)).find((domain) => domain !== undefined && isOn(domain))
    ?.name;
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
