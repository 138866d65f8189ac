// The files of the cache: blobs by content, and which blob a source gave.
//
//     blobs/sha256/<hex>.<format>    complete, verified, never changed
//     sources/<key>.json             written last: what it names is there
//     partial/<key>.part, .json      downloads that can be resumed
//     work/<key>/                    removed at every end and at every start

import { chmod, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { FileVersion } from "./copy-source-file.ts";
import { moveDurably, writeFileDurably } from "./durable-file.ts";
import type { CachedImage } from "./image-source.ts";
import { removeTree } from "./root-rights.ts";

const maxPartialAgeMs = 7 * 24 * 3600 * 1000;

export interface SourceRecord {
  readonly version: 1;
  /** For people who look. */
  readonly source: string;
  readonly digest: string;
  readonly format: "qcow2" | "raw";
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
  /** State of the source file, for file: sources. */
  readonly sourceFile?: FileVersion;
  /** ETag or Last-Modified of what the URL gave. */
  readonly validator?: string;
}

export class BlobStore {
  readonly partialDirectory: string;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.partialDirectory = join(directory, "partial");
  }

  /** Makes the folders, and removes what an earlier process left half done. */
  async prepare(): Promise<void> {
    await removeTree(join(this.#directory, "work"));
    for (const folder of ["blobs/sha256", "sources", "partial", "work"]) {
      await mkdir(join(this.#directory, folder), { recursive: true });
    }
    await this.#removeOldPartials();
  }

  /** Downloads that nobody has asked for in a week. */
  async #removeOldPartials(): Promise<void> {
    for (const name of await readdir(this.partialDirectory)) {
      const path = join(this.partialDirectory, name);
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > maxPartialAgeMs) await rm(path, { force: true });
    }
  }

  workDirectory(key: string): string {
    return join(this.#directory, "work", key);
  }

  /** Undefined when the source was not fetched, or its blob is gone or not as long as it was. */
  async read(key: string): Promise<{ readonly record: SourceRecord; readonly image: CachedImage } | undefined> {
    try {
      const record = JSON.parse(await readFile(this.#recordPath(key), "utf8")) as SourceRecord;
      const path = this.#blobPath(record);
      const { size } = await stat(path);
      if (record.version !== 1 || size !== record.sizeBytes) return undefined;
      const { digest, format, sizeBytes, virtualSizeBytes } = record;
      return { record, image: { digest, format, path, sizeBytes, virtualSizeBytes } };
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Takes the file over. Readable by all: a hypervisor runs as another user. */
  async add(key: string, file: string, record: SourceRecord): Promise<CachedImage> {
    const path = this.#blobPath(record);
    await chmod(file, 0o644);
    await moveDurably(file, path);
    await writeFileDurably(this.#recordPath(key), `${JSON.stringify(record, undefined, 2)}\n`);
    const { digest, format, sizeBytes, virtualSizeBytes } = record;
    return { digest, format, path, sizeBytes, virtualSizeBytes };
  }

  /** What this source gave, and its blob where no other source gave the same. The blob goes first: a record without one is none. */
  async remove(key: string): Promise<void> {
    const stored = await this.read(key);
    if (stored !== undefined && !(await this.#isShared(key, stored.record))) {
      await rm(stored.image.path, { force: true });
    }
    await rm(this.#recordPath(key), { force: true });
  }

  async #isShared(key: string, { digest, format }: SourceRecord): Promise<boolean> {
    for (const name of await readdir(join(this.#directory, "sources"))) {
      const other = name.endsWith(".json") ? await this.read(name.slice(0, -".json".length)) : undefined;
      if (name !== `${key}.json` && other?.record.digest === digest && other.record.format === format) return true;
    }
    return false;
  }

  #recordPath(key: string): string {
    return join(this.#directory, "sources", `${key}.json`);
  }

  #blobPath({ digest, format }: { digest: string; format: string }): string {
    return join(this.#directory, "blobs", "sha256", `${digest.slice("sha256:".length)}.${format}`);
  }
}
