// Base images in the pool, by content. An import is complete when the file has the length that its name says; upload grows it from
// nothing, in order, so that any interruption leaves it shorter.

import { stat } from "node:fs/promises";
import { FileParts } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, ImageFile, ImageRole, ImportedImage, StoredImage } from "@vivarium/provider";
import { invalidSpec } from "./libvirt-host.ts";
import { digest24, imageVolumeName, parseImageVolumeName } from "./names.ts";
import type { VolumePool } from "./pool.ts";
import type { VolumeUsage } from "./storage/usage.ts";
import type { VolumeView } from "./volume-xml.ts";

export interface ImageParts {
  readonly pool: VolumePool;
  readonly usage: VolumeUsage;
}

type ImportOptions = CallOptions & { readonly onProgress?: (sentBytes: number) => void };

export function createImages({ pool, usage }: ImageParts): ImageRole {
  /** One import of an image at a time; a second caller waits for the first. */
  const underWay = new Map<string, Promise<ImportedImage>>();
  return {
    find: (digest, options) => findComplete(pool, { digest, options }),

    async import(image, options) {
      for (let running = underWay.get(image.digest); running !== undefined; running = underWay.get(image.digest)) {
        // It may fail, or follow the signal of its own caller: then it is this caller's turn.
        await Promise.race([running.catch(() => {}), untilAborted(options?.signal)]);
        options?.signal?.throwIfAborted();
      }
      const importing = importImage(pool, { image, options }).finally(() => underWay.delete(image.digest));
      underWay.set(image.digest, importing);
      return importing;
    },

    async remove(digest, options) {
      for (const name of await volumesOf(pool, { digest, options })) await discard(name, options);
    },

    async list(options) {
      usage.forget(); // one look serves for all of them, and it is not an old one
      const names = await pool.names(options);
      const images = await Promise.all(names.map((name) => stored(name, options)));
      return images.filter((image) => image !== undefined);
    },

    async discard(id, options) {
      if (parseImageVolumeName(id) === undefined) throw invalidSpec(`Cannot delete "${id}": that is no image`);
      await discard(id, options);
    },
  };

  async function stored(id: string, options: CallOptions | undefined): Promise<StoredImage | undefined> {
    const name = parseImageVolumeName(id);
    const volume = name && (await pool.find(id, options));
    if (name === undefined || volume === undefined) return undefined;
    return {
      id,
      digestStart: `sha256:${name.digest24}`,
      sizeBytes: volume.allocationBytes,
      isComplete: volume.physicalBytes === name.sizeBytes,
      users: await usersOf(volume, { ...options }),
    };
  }

  async function discard(id: string, options: CallOptions | undefined): Promise<void> {
    const volume = await pool.find(id, options);
    if (volume === undefined) return;
    const start = parseImageVolumeName(id)?.digest24;
    if ([...underWay.keys()].some((digest) => digest24(digest) === start)) {
      throw new ProviderError("Conflict", `Cannot delete image "${id}": it is being imported`);
    }
    const users = await usersOf(volume, { ...options, isFresh: true });
    if (users.length > 0) {
      throw new ProviderError("Conflict", `Cannot delete image "${id}": in use by ${users.join(", ")}`);
    }
    await pool.delete(id, options);
  }

  /** A clone may lie in any pool, and a domain of somebody else may have the image for a disk. */
  async function usersOf(
    { name, path }: VolumeView,
    options: CallOptions & { readonly isFresh?: boolean },
  ): Promise<readonly string[]> {
    const users = await pool.use(
      `look for users of image "${name}"`,
      ({ libvirt, pool: { name: poolName } }) => usage.usersOf(libvirt, { pool: poolName, name, path }, options),
      options,
    );
    return users.map((user) => user.name);
  }
}

export interface WantedImage {
  readonly digest: string;
  readonly options: CallOptions | undefined;
}

export async function volumesOf(pool: VolumePool, { digest, options }: WantedImage): Promise<readonly string[]> {
  const wanted = digest24(digest);
  const names = await pool.names(options);
  return names.filter((name) => parseImageVolumeName(name)?.digest24 === wanted);
}

export async function findComplete(pool: VolumePool, wanted: WantedImage): Promise<ImportedImage | undefined> {
  for (const id of await volumesOf(pool, wanted)) {
    const name = parseImageVolumeName(id);
    let volume = await pool.find(id, wanted.options);
    if (name === undefined || volume?.physicalBytes !== name.sizeBytes) continue;
    if (name.format === "qcow2" && volume.format !== "qcow2") {
      // libvirt still has it as the raw file it was before the upload; the virtual size is not known yet.
      await pool.refresh(wanted.options);
      volume = await pool.find(id, wanted.options);
      if (volume === undefined) continue;
      if (volume.format !== "qcow2") {
        throw invalidSpec(`Cannot use image "${id}": the host finds format "${volume.format}", expected "qcow2"`);
      }
    }
    return { id, path: volume.path, virtualSizeBytes: volume.capacityBytes };
  }
  return undefined;
}

async function importImage(
  pool: VolumePool,
  { image, options }: { readonly image: ImageFile; readonly options: ImportOptions | undefined },
): Promise<ImportedImage> {
  const wanted: WantedImage = { digest: image.digest, options };
  const existing = await findComplete(pool, wanted);
  if (existing !== undefined) return existing;
  const found = await stat(image.path);
  if (found.size !== image.sizeBytes) {
    throw invalidSpec(
      `Cannot import "${image.path}": the file has ${found.size} bytes, its record says ${image.sizeBytes}`,
    );
  }
  const name = imageVolumeName({
    digest24: digest24(image.digest),
    format: image.format,
    sizeBytes: image.sizeBytes,
  });
  for (const left of await volumesOf(pool, wanted)) await pool.delete(left, options);
  await pool.write(name, new FileParts(image.path), { ...options, sizeBytes: image.sizeBytes });
  const imported = await findComplete(pool, wanted);
  if (imported === undefined) {
    throw new ProviderError("Internal", `Cannot import image "${name}": the host has not kept all of its bytes`);
  }
  return imported;
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    else signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}
