// A backup as a file: one line of JSON, the manifest, that people can read with `head -1`; then the objects, one line of JSON each,
// compressed. The manifest has the checksum of all that follows and the counts, and a backup counts as written only when it was read back.

import { createHash } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { KeyValue } from "../store.ts";
import { BackupError } from "./backup-error.ts";
import { digestOf, type Snapshot } from "./snapshot.ts";

const format = "vivarium-backup/1";

export interface BackupManifest {
  readonly format: string;
  readonly createdAt: string;
  /** Of the store when it was read. */
  readonly revision: number;
  readonly objects: number;
  /** How many of each kind, by `group/plural`. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Of keys and values in their order. */
  readonly digest: string;
  /** SHA-256 of what follows the manifest. */
  readonly sha256: string;
}

/** Writes the file as a whole or not at all, with nobody else able to read it. */
export async function writeBackup(
  path: string,
  snapshot: Snapshot,
  options: { readonly createdAt: Date },
): Promise<BackupManifest> {
  const lines = snapshot.items.map((item) => Buffer.from(`${JSON.stringify(toLine(item))}\n`));
  const content = await promisify(gzip)(Buffer.concat(lines));
  const manifest: BackupManifest = {
    format,
    createdAt: options.createdAt.toISOString(),
    revision: snapshot.revision,
    objects: snapshot.items.length,
    kinds: countKinds(snapshot.items),
    digest: digestOf(snapshot.items),
    sha256: sha256(content),
  };
  const partial = `${path}.partial`;
  try {
    const file = await open(partial, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(manifest)}\n`);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await readBackup(partial);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return manifest;
}

/** Throws BackupError unless every byte is as it was written. */
export async function readBackup(
  path: string,
): Promise<{ readonly manifest: BackupManifest; readonly snapshot: Snapshot }> {
  const bytes = await readFile(path);
  const end = bytes.indexOf(0x0a);
  const manifest = parseManifest(path, end < 0 ? undefined : bytes.subarray(0, end).toString("utf8"));
  const content = bytes.subarray(end + 1);
  if (sha256(content) !== manifest.sha256)
    throw damaged(path, `its checksum is ${sha256(content)}, the manifest says ${manifest.sha256}`);
  const items = splitLines(await promisify(gunzip)(content)).map((line) => fromLine(JSON.parse(line.toString("utf8"))));
  if (items.length !== manifest.objects)
    throw damaged(path, `it has ${items.length} objects, the manifest says ${manifest.objects}`);
  if (digestOf(items) !== manifest.digest)
    throw damaged(path, "its objects are not those that the manifest was made of");
  return { manifest, snapshot: { revision: manifest.revision, items } };
}

function parseManifest(path: string, line: string | undefined): BackupManifest {
  let found: Partial<BackupManifest>;
  try {
    found = JSON.parse(line ?? "") as Partial<BackupManifest>;
  } catch (cause) {
    throw new BackupError("not-a-backup", `Cannot read ${path}: it does not begin with the manifest of a backup`, {
      cause,
    });
  }
  if (found.format !== format)
    throw new BackupError(
      "not-a-backup",
      `Cannot read ${path}: its format is ${JSON.stringify(found.format)}, expected "${format}"`,
    );
  const { revision, objects, digest } = found;
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(objects) || typeof digest !== "string")
    throw damaged(path, "its manifest is not whole");
  return found as BackupManifest;
}

interface Line {
  readonly key: string;
  /** createRevision, modRevision, version. */
  readonly at: readonly [number, number, number];
  readonly value: string;
}

function toLine(item: KeyValue): Line {
  const { key, createRevision, modRevision, version, value } = item;
  return { key, at: [createRevision, modRevision, version], value: Buffer.from(value).toString("base64") };
}

/** What the checksum vouches for. */
function fromLine(line: unknown): KeyValue {
  const { key, at, value } = line as Line;
  const [createRevision, modRevision, version] = at;
  return { key, createRevision, modRevision, version, value: Buffer.from(value, "base64") };
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function countKinds(items: readonly KeyValue[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { key } of items) {
    const [, , group = "", plural = ""] = key.split("/");
    const kind = `${group}/${plural}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function damaged(path: string, why: string): BackupError {
  return new BackupError("damaged", `Cannot use the backup ${path}: it is damaged: ${why}`);
}
