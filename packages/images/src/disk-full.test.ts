import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, existsSync, statfsSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { it } from "node:test";
import { gzipSync } from "node:zlib";
import type { ExportProgress } from "./export-disk.ts";
import { createImageCache } from "./image-cache.ts";
import { createImageExports } from "./image-exports.ts";
import { startImageServer } from "./image-server.testing.ts";
import { ImageError } from "./image-source.ts";
import { qemuImg } from "./qemu-img.ts";

const run = promisify(execFile);
const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
const mayMount = spawnSync("env", [...asRoot, "true"], { stdio: "ignore" }).status === 0;
const skip = mayMount ? false : "neither root nor sudo without a password: cannot mount a small tmpfs";
const signal = new AbortController().signal;

async function onFullDisk(test: (directory: string) => Promise<void>, size = "1m"): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "viv-full-"));
  const settings = `size=${size},uid=${process.getuid?.() ?? 0}`;
  await run("env", [...asRoot, "mount", "-t", "tmpfs", "-o", settings, "tmpfs", directory]);
  try {
    await test(directory);
  } finally {
    await run("env", [...asRoot, "umount", directory]);
    await rm(directory, { recursive: true, force: true });
  }
}

function cacheIn(directory: string): ReturnType<typeof createImageCache> {
  const logger = { info: () => undefined, warn: () => undefined };
  return createImageCache({ directory, logger, reserveBytes: 0, retryDelaysMs: [] });
}

function isDiskFull(message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof ImageError, String(error));
    assert.equal(error.code, "DiskFull", error.message);
    assert.match(error.message, message);
    return true;
  };
}

it("a disk that gets full during a download is DiskFull, and the partial file is removed", { skip }, async () => {
  await onFullDisk(async (directory) => {
    await using server = await startImageServer();
    // Without a length nobody can know before that it will not fit.
    server.behave((_, response) => void response.writeHead(200).end(randomBytes(3_000_000)));
    const work = cacheIn(directory).ensure({ kind: "url", url: `${server.url}/a` }, { signal });
    await assert.rejects(work, isDiskFull(/no space left .* the partial download was removed/));
    assert.deepEqual(await readdir(join(directory, "partial")), []);
  });
});

it("an archive that unpacks to more than there is room for is DiskFull", { skip }, async () => {
  await onFullDisk(async (directory) => {
    await using server = await startImageServer();
    server.behave((_, response) => void response.writeHead(200).end(gzipSync(Buffer.alloc(50_000_000, "x"))));
    const work = cacheIn(directory).ensure({ kind: "url", url: `${server.url}/a` }, { signal });
    await assert.rejects(work, isDiskFull(/no space left/));
    assert.deepEqual(await readdir(join(directory, "work")), []);
  });
});

it("a file that does not fit is DiskFull", { skip }, async () => {
  await onFullDisk(async (directory) => {
    const other = await mkdtemp(join(tmpdir(), "viv-source-"));
    try {
      await writeFile(join(other, "disk"), randomBytes(3_000_000));
      const url = pathToFileURL(join(other, "disk")).href;
      await assert.rejects(cacheIn(directory).ensure({ kind: "url", url }, { signal }), isDiskFull(/expected 2.9 MiB/));
    } finally {
      await rm(other, { recursive: true });
    }
  });
});

it("a disk that gets full while a disk is exported is DiskFull, and nothing is left", { skip }, async () => {
  const other = await mkdtemp(join(tmpdir(), "viv-source-"));
  try {
    const raw = join(other, "raw");
    const disk = join(other, "disk");
    await writeFile(raw, randomBytes(3_000_000));
    await qemuImg(["convert", "-f", "raw", "-O", "qcow2", raw, disk], { action: "test", signal });
    const machine = { name: "web", cpus: 1, memoryMiB: 128, firmware: "BIOS", nics: [] } as const;
    for (const [format, step] of [
      ["qcow2", "Copying"],
      ["qcow2", "Compressing"],
      ["raw", "Compressing"],
      ["vmdk", "Compressing"],
      ["ova", "Packing"],
    ] as const) {
      await onFullDisk(async (directory) => {
        const exports = createImageExports({ directory, reserveBytes: 0 });
        const ballast = join(directory, "ballast");
        // Somebody else takes the room, all but half a mebibyte.
        const onProgress = (progress: ExportProgress): void => {
          if (progress.step !== step || existsSync(ballast)) return;
          const { bavail, bsize } = statfsSync(directory);
          writeFileSync(ballast, Buffer.alloc(bavail * bsize - 2 ** 19));
        };
        const source = { bytes: createReadStream(disk), sizeBytes: (await stat(disk)).size };
        const work = exports.write("a", source, { format, machine, signal, onProgress });
        await assert.rejects(work, isDiskFull(/Cannot export the disk/));
        assert.deepEqual(await readdir(directory), ["ballast"], `${format}, ${step}`);
      }, "16m");
    }
  } finally {
    await rm(other, { recursive: true });
  }
});
