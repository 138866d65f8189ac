// Takes the disk out of an OVA: a tar archive of a descriptor (.ovf), perhaps a manifest (.mf) with the digests of all files, and disks.
//
// Nothing in the archive says where a file goes on this host: the one disk that is wanted is written under a name of ours, and everything
// else is only read.

import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import type { Header } from "tar-stream";
import { ImageError } from "../image-source.ts";
import { parseDescriptor } from "./descriptor.ts";
import type { PackagedDisk } from "./descriptor.ts";
import { parseManifest } from "./manifest.ts";
import type { ManifestEntry } from "./manifest.ts";

const algorithms = ["sha1", "sha256", "sha512"] as const;

/** Descriptors and manifests of real packages have some kilobytes. */
const maxTextBytes = 4 * 2 ** 20;
const maxEntries = 1000;

type Digests = ReadonlyMap<string, string>;

interface Contents {
  readonly disk: PackagedDisk;
  readonly manifest: readonly ManifestEntry[] | undefined;
  readonly files: ReadonlyMap<string, Digests>;
}

interface Extraction {
  /** For messages. */
  readonly name: string;
  readonly roomBytes: number;
  readonly signal: AbortSignal;
  readonly onBytes: (doneBytes: number, totalBytes: number) => void;
}

/** What `tar-stream` gives for a file of the archive, as far as it is used. */
type Entry = AsyncIterable<unknown> & { readonly header: Header };

/** Writes the package's only disk to `to`. Throws ImageError. */
export async function extractDisk(from: string, to: string, extraction: Extraction): Promise<PackagedDisk> {
  try {
    return await readPackage(from, to, extraction);
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}

/** Reads all of a package, and writes nothing. Throws ImageError where it is not what its manifest says. */
export async function checkPackage(from: string, extraction: Omit<Extraction, "roomBytes">): Promise<void> {
  await readPackage(from, undefined, { ...extraction, roomBytes: Infinity });
}

async function readPackage(from: string, to: string | undefined, extraction: Extraction): Promise<PackagedDisk> {
  try {
    const contents = await readArchive(from, to, extraction);
    checkContents(contents, extraction.name);
    return contents.disk;
  } catch (cause) {
    extraction.signal.throwIfAborted();
    if (cause instanceof ImageError || (cause as NodeJS.ErrnoException).syscall !== undefined) throw cause;
    const why = cause instanceof RangeError ? cause.message : `the archive is broken (${String(cause)})`;
    throw new ImageError("UnknownFormat", `Cannot use OVA ${extraction.name}: ${why}`, { cause });
  }
}

async function readArchive(from: string, to: string | undefined, extraction: Extraction): Promise<Contents> {
  const { size } = await stat(from);
  const files = new Map<string, Digests>();
  let disk: PackagedDisk | undefined;
  let manifest: readonly ManifestEntry[] | undefined;
  let doneBytes = 0;
  const source = createReadStream(from, { highWaterMark: 1 << 20, signal: extraction.signal });
  source.on("data", (chunk) => {
    doneBytes += chunk.length;
    extraction.onBytes(doneBytes, size);
  });
  const archive = extract();
  const fed = pipeline(source, archive, { signal: extraction.signal });
  // Its failure comes out of the loop, too; whichever is first is told.
  fed.catch(() => {});
  for await (const entry of archive) {
    const { name, type } = entry.header;
    if (type !== "file" && type !== "contiguous-file")
      throw new RangeError(`${quoted(name)} in it is a ${type}, expected files alone`);
    if (files.has(name)) throw new RangeError(`${quoted(name)} is in it twice`);
    if (files.size >= maxEntries) throw new RangeError(`it has more than ${maxEntries} files`);
    const hashes = newHashes();
    if (disk === undefined) {
      if (!name.toLowerCase().endsWith(".ovf"))
        throw new RangeError(`it begins with ${quoted(name)}, expected its descriptor (.ovf)`);
      disk = onlyDisk(parseDescriptor(await readText(entry, hashes)));
    } else if (name.toLowerCase().endsWith(".mf")) {
      manifest = parseManifest(await readText(entry, hashes));
    } else if (name === disk.file && to !== undefined) {
      if (entry.header.size > extraction.roomBytes) throw doesNotFit(extraction);
      await pipeline(hashing(entry, hashes), createWriteStream(to), { signal: extraction.signal });
    } else {
      for await (const chunk of entry) update(hashes, chunk as Buffer);
    }
    files.set(name, new Map([...hashes].map(([algorithm, hash]) => [algorithm, hash.digest("hex")])));
  }
  await fed;
  if (disk === undefined) throw new RangeError("it is empty");
  return { disk, manifest, files };
}

function checkContents({ disk, manifest, files }: Contents, name: string): void {
  if (!files.has(disk.file)) throw new RangeError(`its disk ${quoted(disk.file)} is not in it`);
  for (const { file, algorithm, hex } of manifest ?? []) {
    const found = files.get(file)?.get(algorithm);
    if (found === undefined) throw new RangeError(`${quoted(file)} of its manifest is not in it`);
    if (found === hex) continue;
    throw new ImageError(
      "ChecksumMismatch",
      `Cannot use OVA ${name}: ${algorithm} of ${quoted(file)} is ${found}, its manifest says ${hex}`,
    );
  }
  if (manifest !== undefined && !manifest.some((each) => each.file === disk.file)) {
    throw new RangeError(`its manifest says nothing of its disk ${quoted(disk.file)}`);
  }
}

function onlyDisk(disks: readonly PackagedDisk[]): PackagedDisk {
  const [disk] = disks;
  if (disk !== undefined && disks.length === 1) return disk;
  const names = disks.map(({ file }) => quoted(file)).join(", ");
  throw new RangeError(
    `it has ${disks.length} disks${names === "" ? "" : ` (${names})`}, expected 1: an image is one root disk`,
  );
}

async function readText(entry: Entry, hashes: ReadonlyMap<string, Hash>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of entry) {
    const buffer = chunk as Buffer;
    bytes += buffer.length;
    if (bytes > maxTextBytes) throw new RangeError(`${quoted(entry.header.name)} has more than ${maxTextBytes} bytes`);
    update(hashes, buffer);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* hashing(entry: Entry, hashes: ReadonlyMap<string, Hash>): AsyncGenerator<Buffer> {
  for await (const chunk of entry) {
    update(hashes, chunk as Buffer);
    yield chunk as Buffer;
  }
}

function newHashes(): ReadonlyMap<string, Hash> {
  return new Map(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]));
}

function update(hashes: ReadonlyMap<string, Hash>, chunk: Buffer): void {
  for (const hash of hashes.values()) hash.update(chunk);
}

function doesNotFit({ name, roomBytes }: Extraction): ImageError {
  return new ImageError(
    "DiskFull",
    `Cannot unpack ${name}: its disk does not fit in the ${roomBytes} bytes that are left`,
  );
}

/** A name out of the archive, for a message. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
