// The name of a source in the cache: the same place and checksum give the same key.

import { createHash } from "node:crypto";
import { ImageError } from "./image-source.ts";
import type { StoredForm, UrlSource } from "./image-source.ts";

/** Headers are left out: a new token does not make another image. */
export function urlSourceKey(source: UrlSource): string {
  const url = URL.parse(source.url);
  if (url === null || !/^(https?|file):$/.test(url.protocol)) {
    throw new ImageError(
      "Unsupported",
      `Cannot fetch image: URL is ${JSON.stringify(source.url)}, expected http:, https: or file:`,
    );
  }
  const checksum = source.checksum && [source.checksum.algorithm, source.checksum.hex.toLowerCase()];
  return digestOf(["url", url.href, checksum ?? null]);
}

/** The same source kept in another form is another image. */
export function storedKey(key: string, { format, isCompressed = false }: StoredForm = {}): string {
  return format === undefined && !isCompressed ? key : digestOf([key, format ?? null, isCompressed]);
}

export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
