// Digests of a whole file, several in one pass.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

export type DigestAlgorithm = "md5" | "sha1" | "sha256" | "sha512";

export async function digestFile(
  path: string,
  options: {
    readonly algorithms: readonly DigestAlgorithm[];
    readonly signal: AbortSignal;
    readonly onBytes?: (doneBytes: number) => void;
  },
): Promise<Readonly<Record<string, string>>> {
  const hashes = new Map([...new Set(options.algorithms)].map((name) => [name, createHash(name)]));
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal: options.signal })) {
    const bytes = chunk as Buffer;
    for (const hash of hashes.values()) hash.update(bytes);
    done += bytes.length;
    options.onBytes?.(done);
  }
  return Object.fromEntries([...hashes].map(([name, hash]) => [name, hash.digest("hex")]));
}
