// Files of images back from a backup, parents first: each is read where it lies, and only one that is not what it has to be is replaced.

import { VMImage } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { expectedDigestOf } from "@vivarium/controllers";
import type { ImageBackupFolder } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import { tell } from "../output/print.ts";
import type { ImageBackupContent, ImageFileRecord } from "./backup-content.ts";
import type { ImageHost, ImageHosts } from "./image-hosts.ts";

export interface RestoredFile {
  readonly record: ImageFileRecord;
  readonly outcome: "Intact" | "Restored" | "WouldRestore" | "NotNeeded" | "Failed";
  readonly message: string;
}

interface Options {
  readonly client: Client;
  readonly folder: ImageBackupFolder<ImageBackupContent>;
  readonly hosts: ImageHosts;
  readonly signal: AbortSignal;
  readonly isDryRun: boolean;
}

type Verdict = Omit<RestoredFile, "record">;

export async function restoreFiles(content: ImageBackupContent, options: Options): Promise<readonly RestoredFile[]> {
  const { items } = await options.client.list(VMImage);
  const moved = new Set<string>();
  const done: RestoredFile[] = [];
  for (const record of content.files) {
    const image = imageOf(record, items);
    const parent = imageOf(record, content.images)?.spec.source?.layer?.parentRef.name;
    const isParentMoved = parent !== undefined && moved.has(placeOf({ ...record, image: parent }));
    const { path, ...verdict } = await restoreFile(record, { ...options, image, isParentMoved });
    if (path !== undefined && path !== record.path) moved.add(placeOf(record));
    done.push({ record, ...verdict });
  }
  return done;
}

async function restoreFile(
  record: ImageFileRecord,
  options: Options & { readonly image: VMImage | undefined; readonly isParentMoved: boolean },
): Promise<Verdict & { readonly path?: string }> {
  const host = await options.hosts.open(record.host);
  if ("why" in host) return { outcome: "Failed", message: host.why };
  try {
    const wrong = await whatIsWrong(record, host, options);
    if (typeof wrong !== "string") {
      const found = await host.provider.images.find(record.digest, options);
      return { ...wrong, ...(found === undefined ? {} : { path: found.path }) };
    }
    if (options.isParentMoved) {
      return {
        outcome: "Failed",
        message: "What it is built upon lies at another path now, and this file names the former",
      };
    }
    const path = await options.folder.find(record.contentDigest, options);
    if (path === undefined) return { outcome: "Failed", message: "Its copy in the backup is damaged, or not there" };
    if (options.isDryRun) return { outcome: "WouldRestore", message: wrong, path: record.path };
    tell(`putting ${record.image} back on ${record.provider}`);
    const { digest, format, sizeBytes, virtualSizeBytes } = record;
    const file = { digest, format, path, sizeBytes, virtualSizeBytes };
    const restored = await host.backups.restore(file, { signal: options.signal });
    return { outcome: "Restored", message: wrong, path: restored.path };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isProviderError(error)) throw error;
    return { outcome: "Failed", message: error.message };
  }
}

/** A sentence, or that nothing is to be done. */
async function whatIsWrong(
  record: ImageFileRecord,
  { layers }: ImageHost,
  { image, signal }: { readonly image: VMImage | undefined; readonly signal: AbortSignal },
): Promise<string | Verdict> {
  const { digest, provider, path, contentDigest } = record;
  const found = await measured(layers, digest, signal);
  const isCurrent = image?.status?.digest === undefined || image.status.digest === digest;
  const expected = (isCurrent ? image && expectedDigestOf(image, provider) : undefined) ?? contentDigest;
  if (found === expected) return { outcome: "Intact", message: path };
  if (expected !== contentDigest) {
    return {
      outcome: "Failed",
      message: `${path} was built again since: the backup has the bytes of the build before`,
    };
  }
  if (!isCurrent && (await layers.usersOf(path, { signal })).length === 0) {
    return { outcome: "NotNeeded", message: "The VMImage means another file now, and nothing backs onto this one" };
  }
  return found === undefined ? `${path} was missing` : `${path} was damaged`;
}

async function measured(layers: ImageHost["layers"], digest: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await layers.measure(digest, { signal })).contentDigest;
  } catch (error) {
    if (isProviderError(error, "NotFound")) return undefined;
    throw error;
  }
}

function imageOf({ namespace, image }: ImageFileRecord, images: readonly VMImage[]): VMImage | undefined {
  return images.find(({ metadata }) => metadata.namespace === namespace && metadata.name === image);
}

function placeOf({ namespace, image, provider }: ImageFileRecord): string {
  return JSON.stringify([namespace, image, provider]);
}
