import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { openImageBackupFolder } from "./image-backup-folder.ts";
import { ImageError } from "./image-source.ts";

const { signal } = new AbortController();
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "viv-image-backup-"));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, "backup");
}

test("what is added is found by its bytes, holes included, and takes no room for them", async (t) => {
  const folder = await openImageBackupFolder(await newDirectory(t));
  const bytes = Buffer.concat([Buffer.from("head"), Buffer.alloc(3 * 2 ** 20), Buffer.from("tail")]);
  const wanted = digestOf(bytes);
  const done: number[] = [];
  const added = await folder.add(chunks(bytes.subarray(0, 1_000_003), bytes.subarray(1_000_003)), {
    wanted,
    signal,
    onBytes: (count) => done.push(count),
  });
  assert.deepEqual(added, { contentDigest: wanted, sizeBytes: bytes.length });
  assert.deepEqual(done, [1_000_003, bytes.length]);
  const path = await folder.find(wanted, { signal });
  assert.ok(path);
  assert.deepEqual(await readFile(path), bytes);
  const { blocks } = await stat(path);
  assert.ok(blocks * 512 < 2 ** 20, `${blocks} blocks`);
});

test("bytes that are not those that were wanted are not kept", async (t) => {
  const directory = await newDirectory(t);
  const folder = await openImageBackupFolder(directory);
  const adding = folder.add(chunks(Buffer.from("rot")), { wanted: digestOf(Buffer.from("good")), signal });
  await assert.rejects(adding, (error) => error instanceof ImageError && error.code === "ChecksumMismatch");
  assert.deepEqual(await readdir(join(directory, "files")), []);
});

test("a copy that rots in the folder is not found, and is replaced when it is added again", async (t) => {
  const folder = await openImageBackupFolder(await newDirectory(t));
  const bytes = Buffer.from("good");
  const { contentDigest } = await folder.add(chunks(bytes), { signal });
  const path = (await folder.find(contentDigest, { signal })) ?? "";
  await writeFile(path, "goad");
  assert.equal(await folder.find(contentDigest, { signal }), undefined);
  await folder.add(chunks(bytes), { wanted: contentDigest, signal });
  assert.equal(await folder.find(contentDigest, { signal }), path);
});

test("what a killed run left half written is removed by the next one, and the rest stays", async (t) => {
  const directory = await newDirectory(t);
  const first = await openImageBackupFolder(directory);
  const { contentDigest } = await first.add(chunks(Buffer.from("whole")), { signal });
  await writeFile(join(directory, "files", `${"a".repeat(64)}.part`), "hal");
  const next = await openImageBackupFolder(directory);
  assert.deepEqual(await readdir(join(directory, "files")), [contentDigest.slice("sha256:".length)]);
  assert.ok(await next.find(contentDigest, { signal }));
});

test("an index is what was written last; one that is damaged anywhere is refused", async (t) => {
  const directory = await newDirectory(t);
  const folder = await openImageBackupFolder<{ readonly names: readonly string[] }>(directory);
  assert.equal(await folder.readIndex(), undefined);
  await folder.writeIndex({ names: ["a"] });
  await folder.writeIndex({ names: ["a", "b"] });
  assert.deepEqual(await folder.readIndex(), { names: ["a", "b"] });
  const path = join(directory, "vivarium-images.json");
  const text = await readFile(path, "utf8");
  for (const damage of [() => writeFile(path, text.replace('"b"', '"c"')), () => truncate(path, 20)]) {
    await damage();
    await assert.rejects(folder.readIndex(), /it is damaged, or no index of images/);
  }
});

test("copies that nothing needs any more are removed when that is asked for", async (t) => {
  const folder = await openImageBackupFolder(await newDirectory(t));
  const one = await folder.add(chunks(Buffer.from("one")), { signal });
  const two = await folder.add(chunks(Buffer.from("two")), { signal });
  assert.equal(await folder.keepOnly(new Set([two.contentDigest])), 1);
  assert.equal(await folder.find(one.contentDigest, { signal }), undefined);
  assert.ok(await folder.find(two.contentDigest, { signal }));
});
