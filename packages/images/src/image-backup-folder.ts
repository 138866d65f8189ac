// A folder with copies of image files and what is to be known of them. A copy is named by its bytes, so that what is there is not copied again,
// and whole or absent: it is written beside (`.part`) and gets its name when it was read back. The index comes last and replaces the former one
// in one step: what it names is there.
//
//     vivarium-images.json    which file was which image where, and objects
//     files/<hex>             by content

import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { asImageError } from "./disk-space.ts";
import { moveDurably, writeFileDurably } from "./durable-file.ts";
import { digestFile } from "./file-digest.ts";
import { ImageError } from "./image-source.ts";
import { SparseWriter } from "./sparse-writer.ts";

/** A file of an image as it lay on a host. */
export interface BackedUpFile {
  /** `sha256:` and 64 hex digits of its bytes. */
  readonly contentDigest: string;
  readonly sizeBytes: number;
}

/** `Content` is the caller's, and JSON. */
export interface ImageBackupFolder<Content> {
  /** Undefined where there is none. Throws StorageFailed for one that is damaged. */
  readIndex(): Promise<Content | undefined>;
  writeIndex(content: Content): Promise<void>;
  /** Path of the copy of these bytes, every one of which was read; undefined where it is not there or damaged. */
  find(contentDigest: string, options: { readonly signal: AbortSignal }): Promise<string | undefined>;
  /** Keeps the bytes. Throws ChecksumMismatch where they are not those that were wanted; then nothing is kept. */
  add(
    bytes: AsyncIterable<Uint8Array>,
    options: {
      readonly wanted?: string;
      readonly signal: AbortSignal;
      readonly onBytes?: (doneBytes: number) => void;
    },
  ): Promise<BackedUpFile>;
  /** Removes copies that are none of these, and gives how many. */
  keepOnly(contentDigests: ReadonlySet<string>): Promise<number>;
}

const format = "vivarium-images/1";
const indexName = "vivarium-images.json";

interface IndexFile {
  readonly format: string;
  readonly sha256: string;
  readonly content: unknown;
}

/** Makes the folder, and removes what an earlier run left half written. Of one process at a time. */
export async function openImageBackupFolder<Content>(directory: string): Promise<ImageBackupFolder<Content>> {
  const files = join(directory, "files");
  const index = join(directory, indexName);
  const pathOf = (contentDigest: string): string => join(files, hexOf(contentDigest));
  try {
    // Disks hold secrets.
    await mkdir(files, { recursive: true, mode: 0o700 });
    for (const name of await readdir(files)) if (name.endsWith(".part")) await rm(join(files, name));
  } catch (error) {
    throw asImageError(`use ${directory}`, error);
  }
  return {
    async readIndex() {
      let text: string;
      try {
        text = await readFile(index, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw asImageError(`read ${index}`, error);
      }
      return checkedContent(text, index) as Content;
    },

    async writeIndex(content) {
      const file: IndexFile = { format, sha256: sha256Of(content), content };
      try {
        await writeFileDurably(index, `${JSON.stringify(file, undefined, 2)}\n`);
      } catch (error) {
        throw asImageError(`write ${index}`, error);
      }
    },

    async find(contentDigest, { signal }) {
      const path = pathOf(contentDigest);
      try {
        return (await digestOf(path, signal)) === contentDigest ? path : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },

    async add(bytes, { wanted, signal, onBytes }) {
      const part = join(files, `${wanted === undefined ? "new" : hexOf(wanted)}.part`);
      try {
        const sizeBytes = await writeSparsely(part, bytes, { signal, ...(onBytes === undefined ? {} : { onBytes }) });
        const contentDigest = await digestOf(part, signal);
        if (wanted !== undefined && contentDigest !== wanted) {
          throw new ImageError("ChecksumMismatch", `its digest is ${contentDigest}, expected ${wanted}`);
        }
        await moveDurably(part, pathOf(contentDigest));
        return { contentDigest, sizeBytes };
      } catch (error) {
        await rm(part, { force: true });
        signal.throwIfAborted();
        throw asImageError(`copy an image into ${directory}`, error);
      }
    },

    async keepOnly(contentDigests) {
      const wanted = new Set([...contentDigests].map(hexOf));
      const unwanted = (await readdir(files)).filter((name) => !wanted.has(name));
      for (const name of unwanted) await rm(join(files, name));
      return unwanted.length;
    },
  };
}

function checkedContent(text: string, path: string): unknown {
  const damaged = (cause?: unknown): ImageError =>
    new ImageError("StorageFailed", `Cannot read ${path}: it is damaged, or no index of images`, { cause });
  let file: IndexFile;
  try {
    file = JSON.parse(text) as IndexFile;
  } catch (error) {
    throw damaged(error);
  }
  if (file.format !== format || file.sha256 !== sha256Of(file.content)) throw damaged();
  return file.content;
}

function sha256Of(content: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(content) ?? "")
    .digest("hex");
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const { sha256 = "" } = await digestFile(path, { algorithms: ["sha256"], signal });
  return `sha256:${sha256}`;
}

function hexOf(contentDigest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(contentDigest)?.[1];
  if (hex === undefined)
    throw new RangeError(`Cannot name file "${contentDigest}": expected sha256: and 64 hex digits`);
  return hex;
}

async function writeSparsely(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  { signal, onBytes }: { readonly signal: AbortSignal; readonly onBytes?: (doneBytes: number) => void },
): Promise<number> {
  const file = await open(path, "w", 0o600);
  try {
    const writer = new SparseWriter(file);
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      await writer.write(chunk);
      onBytes?.(writer.sizeBytes);
    }
    await writer.end();
    return writer.sizeBytes;
  } finally {
    await file.close();
  }
}
