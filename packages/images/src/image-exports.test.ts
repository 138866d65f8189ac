import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { extract } from "tar-stream";
import { createImageExports } from "./image-exports.ts";
import type { ExportProgress } from "./export-disk.ts";
import { ImageError } from "./image-source.ts";
import { importImage } from "./import-image.ts";
import { qemuImg } from "./qemu-img.ts";

const signal = AbortSignal.timeout(300_000);
const virtualSizeBytes = 16 * 2 ** 20;
const machine = { name: "web", cpus: 2, memoryMiB: 512, firmware: "UEFI", nics: ["lan"] } as const;
const shape = { format: "qcow2", machine, signal } as const;

async function lab(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "viv-exports-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const raw = join(folder, "disk.raw");
  const disk = join(folder, "disk.qcow2");
  const content = Buffer.alloc(virtualSizeBytes, "what compresses well; ");
  // As a partition table ends.
  content.writeUInt16BE(0x55aa, 510);
  await writeFile(raw, content);
  await qemuImg(["convert", "-f", "raw", "-O", "qcow2", raw, disk], { action: "test", signal });
  const directory = join(folder, "exports");
  const source = async (path = disk) => ({ bytes: createReadStream(path), sizeBytes: (await stat(path)).size });
  const image = (...args: readonly string[]) => qemuImg(args, { action: "test", signal });
  return { folder, directory, disk, source, image, exports: createImageExports({ directory, reserveBytes: 0 }) };
}

async function textOf(chunks: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += String(chunk);
  return text;
}

test("a disk becomes a compressed file that holds the same, and an unfinished try before it is gone", async (t) => {
  const { directory, disk, source, image, exports } = await lab(t);
  // As a server that was killed left it.
  await mkdir(join(directory, "a.part"), { recursive: true });
  await writeFile(join(directory, "a.part", "compressed"), "half");
  const seen: ExportProgress[] = [];
  const made = await exports.write("a", await source(), { ...shape, onProgress: (each) => seen.push(each) });
  assert.deepEqual(await readdir(directory), ["a.qcow2"]);
  assert.equal(made.virtualSizeBytes, virtualSizeBytes);
  assert.match(made.digest, /^sha256:[0-9a-f]{64}$/);
  assert.ok(made.sizeBytes < (await stat(disk)).size / 10);
  await image("compare", "-f", "qcow2", "-F", "qcow2", disk, made.path);
  assert.deepEqual([...new Set(seen.map(({ step }) => step))], ["Copying", "Compressing", "Verifying"]);
  assert.deepEqual(await exports.write("a", await source(), shape), made);
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
    await assert.rejects(exports.write("b", given, shape), (error) => {
      return error instanceof ImageError && error.code === code;
    });
    assert.deepEqual(await readdir(directory), []);
  }
});

test("an export that is cancelled leaves nothing, and the file of an earlier one as it was", async (t) => {
  const { directory, source, exports } = await lab(t);
  const made = await exports.write("c", await source(), shape);
  for (const step of ["Copying", "Compressing", "Verifying"] as const) {
    const cancelling = new AbortController();
    const onProgress = (each: ExportProgress): void => {
      if (each.step === step) cancelling.abort(new Error("cancelled"));
    };
    await assert.rejects(
      exports.write("c", await source(), { ...shape, signal: cancelling.signal, onProgress }),
      /cancelled/,
    );
    assert.deepEqual(await readdir(directory), ["c.qcow2"]);
    assert.equal((await stat(made.path)).size, made.sizeBytes);
  }
});

test("a disk becomes a raw file, a VMDK, or an OVA that the import takes, and each holds the same", async (t) => {
  const { folder, directory, disk, source, image, exports } = await lab(t);
  for (const format of ["raw", "vmdk", "ova"] as const) {
    const seen = new Set<string>();
    const made = await exports.write("d", await source(), {
      ...shape,
      format,
      onProgress: ({ step }) => seen.add(step),
    });
    assert.deepEqual(await readdir(directory), [`d.${format}`]);
    assert.deepEqual([seen.has("Packing"), made.virtualSizeBytes], [format === "ova", virtualSizeBytes]);
    const workDirectory = await mkdtemp(join(folder, "import-"));
    const imported = await importImage(made.path, {
      name: `d.${format}`,
      workDirectory,
      space: { directory: folder, reserveBytes: 0 },
      signal,
      report: () => {},
      nowMs: () => 0,
    });
    await image("compare", "-f", "qcow2", "-F", imported.format, disk, imported.path);
    const { bytes, sizeBytes } = (await exports.read("d", { format, fromByte: 512, signal })) ?? assert.fail();
    let read = 512;
    for await (const chunk of bytes) read += chunk.byteLength;
    assert.deepEqual([read, sizeBytes], [made.sizeBytes, made.sizeBytes]);
    await exports.remove("d");
    assert.equal(await exports.read("d", { format, fromByte: 0, signal }), undefined);
  }
});

test("an OVA tells of its machine", async (t) => {
  const { source, exports } = await lab(t);
  const packed = { ...shape, format: "ova", machine: { ...machine, name: 'we"<b>' } } as const;
  const made = await exports.write("e", await source(), packed);
  const files = new Map<string, string>();
  const archive = extract();
  createReadStream(made.path).pipe(archive);
  for await (const entry of archive) files.set(entry.header.name, await textOf(entry));
  assert.deepEqual([...files.keys()], ['we"<b>.ovf', 'we"<b>.mf', 'we"<b>-disk1.vmdk']);
  const descriptor = files.get('we"<b>.ovf') ?? "";
  assert.match(descriptor, /<VirtualSystem ovf:id="we&quot;&lt;b&gt;">/);
  assert.match(descriptor, /ovf:capacity="16777216" ovf:capacityAllocationUnits="byte"/);
  for (const [type, field, value] of [
    [3, "VirtualQuantity", "2"],
    [4, "VirtualQuantity", "512"],
    [10, "ElementName", "lan"],
    [17, "HostResource", "ovf:/disk/vmdisk1"],
  ] as const) {
    const item = descriptor
      .split("<Item>")
      .find((each) => each.includes(`<rasd:ResourceType>${type}</rasd:ResourceType>`));
    assert.ok(item?.includes(`<rasd:${field}>${value}</rasd:${field}>`), `${type}: ${descriptor}`);
  }
  assert.match(descriptor, /vmw:key="firmware" vmw:value="efi"/);
});
