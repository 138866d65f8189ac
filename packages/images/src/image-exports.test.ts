import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { createImageExports } from "./image-exports.ts";
import type { ExportProgress } from "./image-exports.ts";
import { ImageError } from "./image-source.ts";
import { qemuImg } from "./qemu-img.ts";

const signal = AbortSignal.timeout(300_000);
const virtualSizeBytes = 16 * 2 ** 20;

async function lab(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "viv-exports-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const raw = join(folder, "disk.raw");
  const disk = join(folder, "disk.qcow2");
  await writeFile(raw, Buffer.alloc(virtualSizeBytes, "what compresses well; "));
  await qemuImg(["convert", "-f", "raw", "-O", "qcow2", raw, disk], { action: "test", signal });
  const directory = join(folder, "exports");
  const source = async (path = disk) => ({ bytes: createReadStream(path), sizeBytes: (await stat(path)).size });
  const image = (...args: readonly string[]) => qemuImg(args, { action: "test", signal });
  return { folder, directory, disk, source, image, exports: createImageExports({ directory, reserveBytes: 0 }) };
}

test("a disk becomes a compressed file that holds the same, and an unfinished try before it is gone", async (t) => {
  const { directory, disk, source, image, exports } = await lab(t);
  // As a server that was killed left it.
  await mkdir(join(directory, "a.part"), { recursive: true });
  await writeFile(join(directory, "a.part", "compressed"), "half");
  const seen: ExportProgress[] = [];
  const made = await exports.write("a", await source(), { signal, onProgress: (each) => seen.push(each) });
  assert.deepEqual(await readdir(directory), ["a.qcow2"]);
  assert.equal(made.virtualSizeBytes, virtualSizeBytes);
  assert.match(made.digest, /^sha256:[0-9a-f]{64}$/);
  assert.ok(made.sizeBytes < (await stat(disk)).size / 10);
  await image("compare", "-f", "qcow2", "-F", "qcow2", disk, made.path);
  assert.deepEqual([...new Set(seen.map(({ step }) => step))], ["Copying", "Compressing", "Verifying"]);
  assert.deepEqual(await exports.write("a", await source(), { signal }), made);
  await exports.remove("a");
  await exports.remove("a");
  assert.deepEqual(await readdir(directory), []);
});

test("what ends early, is no disk, or names another file is refused, and nothing is left of it", async (t) => {
  const { folder, directory, disk, source, image, exports } = await lab(t);
  const overlay = join(folder, "overlay.qcow2");
  await image("create", "-q", "-f", "qcow2", "-b", disk, "-F", "qcow2", overlay);
  const whole = await source();
  for (const [given, code] of [
    [{ ...whole, sizeBytes: whole.sizeBytes + 1 }, "Incomplete"],
    [await source(overlay), "UnknownFormat"],
    [
      { bytes: createReadStream(import.meta.filename), sizeBytes: (await stat(import.meta.filename)).size },
      "UnknownFormat",
    ],
    [{ ...(await source()), sizeBytes: 2 ** 60 }, "DiskFull"],
  ] as const) {
    await assert.rejects(exports.write("b", given, { signal }), (error) => {
      return error instanceof ImageError && error.code === code;
    });
    assert.deepEqual(await readdir(directory), []);
  }
});

test("an export that is cancelled leaves nothing, and the file of an earlier one as it was", async (t) => {
  const { directory, source, exports } = await lab(t);
  const made = await exports.write("c", await source(), { signal });
  for (const step of ["Copying", "Compressing", "Verifying"] as const) {
    const cancelling = new AbortController();
    const onProgress = (each: ExportProgress): void => {
      if (each.step === step) cancelling.abort(new Error("cancelled"));
    };
    await assert.rejects(exports.write("c", await source(), { signal: cancelling.signal, onProgress }), /cancelled/);
    assert.deepEqual(await readdir(directory), ["c.qcow2"]);
    assert.equal((await stat(made.path)).size, made.sizeBytes);
  }
});
