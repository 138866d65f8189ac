import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { ConnectionError } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import { FilePlace } from "./fetch-file.ts";
import type { FetchedFile } from "./fetch-file.ts";

const run = promisify(execFile);
const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
const mayMount = spawnSync("env", [...asRoot, "true"], { stdio: "ignore" }).status === 0;
const skip = mayMount ? false : "neither root nor sudo without a password: cannot mount a small tmpfs";
const signal = AbortSignal.timeout(120_000);
const quiet = { signal, onBytes: () => {}, onTrouble: () => {} };

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "viv-fetch-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Breaks off at these bytes, each once. */
function served(content: Buffer, breaks: readonly number[] = []): FetchedFile {
  const left = [...breaks];
  return {
    sizeBytes: content.length,
    roomBytes: content.length,
    digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
    open: async (fromByte) =>
      (async function* () {
        for (let at = fromByte; at < content.length; at += 16_384) {
          const end = left[0];
          if (end !== undefined && at >= end) {
            left.shift();
            throw new ConnectionError("Broken", "Cannot read");
          }
          yield content.subarray(at, at + 16_384);
        }
      })(),
  };
}

async function fetchTo(path: string, file: FetchedFile, options: Parameters<FilePlace["fetch"]>[1] = quiet) {
  await using place = await FilePlace.take(path);
  await place.fetch(file, options);
}

test("a file is whole, with its holes, over connections that break; what a viv that was killed left is replaced", async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, "disk.raw");
  await writeFile(`${path}.part`, "left");
  const content = Buffer.concat([randomBytes(100_000), Buffer.alloc(4_000_000), randomBytes(10), Buffer.alloc(50_000)]);
  const troubles: Error[] = [];
  await fetchTo(path, served(content, [32_768, 65_536]), { ...quiet, onTrouble: (error) => troubles.push(error) });
  assert.ok((await readFile(path)).equals(content));
  assert.deepEqual([await readdir(folder), troubles.length], [["disk.raw"], 2]);
  assert.ok((await stat(path)).blocks * 512 < 1_000_000);
});

test("nothing is left of a file that is another one, of one that is not wanted any more, or that the server refuses", async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, "disk.raw");
  const content = randomBytes(100_000);
  const other = { ...served(content), digest: "sha256:00" };
  await assert.rejects(fetchTo(path, other), /it reads as sha256:[0-9a-f]{64}, expected sha256:00/);
  const interrupted = new AbortController();
  const onBytes = (): void => interrupted.abort(new Error("interrupted"));
  await assert.rejects(
    fetchTo(path, served(content), { ...quiet, signal: interrupted.signal, onBytes }),
    /interrupted/,
  );
  const refused = { ...served(content), open: () => Promise.reject(new Error("refused")) };
  await assert.rejects(fetchTo(path, refused), /refused/);
  assert.deepEqual(await readdir(folder), []);
});

test("a place that is taken, or is none, is told before anything is asked for", async (t) => {
  const folder = await folderOf(t);
  await writeFile(join(folder, "there"), "mine");
  await assert.rejects(FilePlace.take(join(folder, "there")), /There is a file .* already/);
  assert.deepEqual([await readdir(folder), await readFile(join(folder, "there"), "utf8")], [["there"], "mine"]);
  await assert.rejects(FilePlace.take(join(folder, "nowhere", "disk")), CliUserError);
});

test("a disk that is full, or gets full, is told, and nothing is left on it", { skip }, async (t) => {
  const folder = await folderOf(t);
  await run("env", [
    ...asRoot,
    "mount",
    "-t",
    "tmpfs",
    "-o",
    `size=1m,uid=${process.getuid?.() ?? 0}`,
    "tmpfs",
    folder,
  ]);
  try {
    const file = served(randomBytes(3_000_000));
    await assert.rejects(fetchTo(join(folder, "a"), file), /1048576 bytes are free there, expected 3000000/);
    await assert.rejects(fetchTo(join(folder, "a"), { ...file, roomBytes: 0 }), /no space left there.* was removed/);
    assert.deepEqual(await readdir(folder), []);
  } finally {
    await run("env", [...asRoot, "umount", folder]);
  }
});
