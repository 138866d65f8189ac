import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ImageError } from "./image-source.ts";
import { mostUnpackedBytes, unpack } from "./unpack.ts";
import type { UnpackContext } from "./unpack.ts";

const mebibyte = 2 ** 20;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "viv-unpack-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const packers = {
  gzip: (bytes: Buffer) => gzipSync(bytes, { level: 1 }),
  zstd: zstdCompressSync,
  xz: (bytes: Buffer) => execFileSync("xz", ["-0c"], { input: bytes, maxBuffer: 2 ** 30 }),
} as const;

async function unpacked(packed: Buffer, by: UnpackContext["by"], change: Partial<UnpackContext> = {}): Promise<string> {
  const [from, to] = [join(directory, "packed"), join(directory, "unpacked")];
  await writeFile(from, packed);
  await unpack(from, to, {
    name: "disk.img",
    by,
    maxBytes: 2 ** 46,
    space: { directory, reserveBytes: 0 },
    signal: new AbortController().signal,
    report: () => undefined,
    nowMs: () => 0,
    ...change,
  });
  return to;
}

for (const by of ["gzip", "zstd", "xz"] as const) {
  it(`${by}: the bytes come out as they were, and zeros take no room`, async () => {
    const disk = Buffer.concat([
      randomBytes(100_001),
      Buffer.alloc(40 * mebibyte),
      randomBytes(70_000),
      Buffer.alloc(mebibyte),
    ]);
    const path = await unpacked(packers[by](disk), by);
    assert.ok((await readFile(path)).equals(disk));
    assert.ok((await stat(path)).blocks * 512 < mebibyte);
  });

  it(`${by}: what no disk does is refused before it has filled the host, and nothing is left of it`, async () => {
    const bomb = packers[by](Buffer.alloc(96 * mebibyte, "A"));
    assert.ok(mostUnpackedBytes(bomb.length) < 96 * mebibyte * 1.5);
    const small = bomb.length < 320 * 1024;
    const work = small ? unpacked(bomb, by) : unpacked(bomb, by, { maxBytes: 80 * mebibyte }); // gzip's best is a thousandth
    await refused(work, "UnknownFormat", /unpack to more than/);
  });

  it(`${by}: a file may have no more bytes than a disk can, holes included`, async () => {
    const work = unpacked(packers[by](Buffer.alloc(4 * mebibyte)), by, { maxBytes: 2 * mebibyte });
    await refused(work, "UnknownFormat", /unpack to more than 2.0 MiB/);
  });

  it(`${by}: what does not fit is told as that`, async () => {
    const work = unpacked(packers[by](randomBytes(mebibyte)), by, { space: { directory, reserveBytes: 2 ** 60 } });
    await refused(work, "DiskFull", /does not fit/);
  });

  it(`${by}: data that were cut are broken`, async () => {
    const packed = packers[by](randomBytes(mebibyte));
    await refused(
      unpacked(packed.subarray(0, packed.length / 2), by),
      "UnknownFormat",
      new RegExp(`broken ${by} data`),
    );
  });
}

it("xz data that want more memory than any preset are refused", async () => {
  const greedy = execFileSync("xz", ["-c", "--lzma2=preset=0,dict=1GiB"], { input: randomBytes(1000) });
  await refused(unpacked(greedy, "xz"), "UnknownFormat", /[Mm]emory/);
});

async function refused(work: Promise<unknown>, code: ImageError["code"], message: RegExp): Promise<void> {
  await assert.rejects(
    work,
    (error) => error instanceof ImageError && error.code === code && message.test(error.message),
  );
  assert.deepEqual(await readdir(directory), ["packed"]);
}
