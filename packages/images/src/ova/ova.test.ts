import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import type { Header } from "tar-stream";
import { missingTools } from "../host-tools.ts";
import { ImageError } from "../image-source.ts";
import type { ImageErrorCode } from "../image-source.ts";
import { importImage } from "../import-image.ts";

const run = promisify(execFile);
const hasQemuImg = (await missingTools([{ name: "qemu-img", debianPackage: "qemu-utils" }])).length === 0;
const skip = hasQemuImg ? false : "qemu-img is not on this host";

interface Packed {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly header?: Partial<Header>;
}

/** As ovftool writes one, but for what has no part in it. */
function descriptor(
  files: readonly { readonly name: string; readonly attributes?: string }[],
  { disk = "", prolog = "" }: { readonly disk?: string; readonly prolog?: string } = {},
): string {
  const references = files.map(
    ({ name, attributes = "" }, index) => `<File ovf:href="${name}" ovf:id="file${index}" ${attributes}/>`,
  );
  const disks = files.map(
    (_, index) => `<Disk ovf:capacity="4" ovf:diskId="vmdisk${index}" ovf:fileRef="file${index}" ${disk}/>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>${prolog}
    <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
      <References>${references.join("")}</References>
      <DiskSection><Info>Disks</Info>${disks.join("")}</DiskSection>
    </Envelope>`;
}

function manifestOf(files: readonly Packed[]): string {
  return files
    .map(({ name, content = "" }) => `SHA256(${name})= ${createHash("sha256").update(content).digest("hex")}\n`)
    .join("");
}

async function tar(files: readonly Packed[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, content = "", header } of files) archive.entry({ name, ...header }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("an OVA", { skip }, () => {
  let source: string;
  let workDirectory: string;
  let vmdk: Buffer;
  before(async () => {
    source = await mkdtemp(join(tmpdir(), "viv-ova-"));
    const raw = join(source, "disk.raw");
    await run("sh", ["-c", `head -c 3000000 /dev/urandom > ${raw} && truncate -s 4M ${raw}`]);
    const target = join(source, "disk.vmdk");
    await run("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, target]);
    vmdk = await readFile(target);
  });
  after(() => rm(source, { recursive: true, force: true }));

  const importOva = async (content: Buffer) => {
    workDirectory = await mkdtemp(join(source, "work-"));
    const path = join(workDirectory, "image.ova");
    await writeFile(path, content);
    return importImage(path, {
      name: "image.ova",
      workDirectory,
      space: { directory: source, reserveBytes: 0 },
      signal: new AbortController().signal,
      report: () => {},
      nowMs: () => 0,
    });
  };

  const refused = async (
    content: Buffer | Promise<Buffer>,
    message: RegExp,
    code: ImageErrorCode = "UnknownFormat",
  ): Promise<void> => {
    await assert.rejects(importOva(await content), (error) => {
      assert.ok(error instanceof ImageError, String(error));
      assert.match(error.message, message);
      assert.equal(error.code, code, error.message);
      return true;
    });
    const left = (await readdir(workDirectory)).filter((name) => name !== "image.ova" && name !== "disk");
    assert.deepEqual(left, []);
  };

  const ovf = (): Packed => ({ name: "vm.ovf", content: descriptor([{ name: "vm.vmdk" }]) });
  const disk = (): Packed => ({ name: "vm.vmdk", content: vmdk });

  it("gives its disk as qcow2, with the same bytes in it", async () => {
    const files = [ovf(), disk()];
    for (const order of [
      [ovf(), { name: "vm.mf", content: manifestOf(files) }, disk()],
      [ovf(), disk(), { name: "vm.mf", content: manifestOf(files) }],
      files,
    ]) {
      const image = await importOva(await tar(order));
      assert.equal(image.format, "qcow2");
      assert.equal(image.virtualSizeBytes, 4 << 20);
      await run("qemu-img", ["compare", "-f", "qcow2", "-F", "raw", image.path, join(source, "disk.raw")]);
    }
  });

  it("may be compressed, and so may its disk", async () => {
    const inner = await tar([
      { name: "vm.ovf", content: descriptor([{ name: "vm.vmdk.gz", attributes: 'ovf:compression="gzip"' }]) },
      { name: "vm.vmdk.gz", content: gzipSync(vmdk) },
    ]);
    assert.equal((await importOva(inner)).virtualSizeBytes, 4 << 20);
    assert.equal((await importOva(gzipSync(await tar([ovf(), disk()])))).virtualSizeBytes, 4 << 20);
  });

  it("is refused where its manifest and a file differ, and says both digests", async () => {
    const manifest = { name: "vm.mf", content: manifestOf([ovf(), { name: "vm.vmdk", content: "other" }]) };
    await refused(
      tar([ovf(), manifest, disk()]),
      /sha256 of "vm.vmdk" is [0-9a-f]{64}, its manifest says/,
      "ChecksumMismatch",
    );
  });

  it("is refused with a manifest that is broken, or leaves out the disk, or names what is not there", async () => {
    const withManifest = (content: string) => tar([ovf(), { name: "vm.mf", content }, disk()]);
    await refused(withManifest("MD5(vm.vmdk)= 00"), /manifest has the line "MD5/);
    await refused(withManifest(manifestOf([ovf()])), /says nothing of its disk/);
    await refused(withManifest(manifestOf([ovf(), disk(), { name: "a" }])), /"a" of its manifest is not in it/);
  });

  it("is refused when it was cut short, wherever", async () => {
    const whole = await tar([ovf(), disk()]);
    for (const part of [0.2, 0.5, 0.9]) {
      await refused(whole.subarray(0, Math.floor((whole.length * part) / 512) * 512), /broken|is not in it/);
    }
  });

  it("is refused with two disks, none, or one without its file", async () => {
    const two = descriptor([{ name: "a.vmdk" }, { name: "b.vmdk" }]);
    await refused(tar([{ name: "vm.ovf", content: two }, disk()]), /has 2 disks \("a.vmdk", "b.vmdk"\), expected 1/);
    await refused(tar([{ name: "vm.ovf", content: descriptor([]) }, disk()]), /has 0 disks/);
    await refused(tar([ovf()]), /disk "vm.vmdk" is not in it/);
  });

  it("reaches no file of the host by a name or a link in it", async () => {
    const escape = "../../escape.vmdk";
    const image = await importOva(
      await tar([
        { name: "vm.ovf", content: descriptor([{ name: escape }]) },
        { name: escape, content: vmdk },
      ]),
    );
    assert.ok(image.path.startsWith(workDirectory), image.path);
    assert.deepEqual(
      (await readdir(source)).filter((name) => name.includes("escape")),
      [],
    );
    const link: Packed = { name: "vm.vmdk", header: { type: "symlink", linkname: "/etc/shadow" } };
    await rm(image.path);
    await rm(join(workDirectory, "disk"));
    await refused(tar([ovf(), link]), /"vm.vmdk" in it is a symlink/);
  });

  it("has no entities, document types or deep secrets in its descriptor", async () => {
    const prolog = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>';
    const content = descriptor([{ name: "&e;" }], { prolog });
    await refused(tar([{ name: "vm.ovf", content }, disk()]), /document type/);
    await refused(tar([{ name: "vm.ovf", content: "<Envelope><References>" }]), /is no XML/);
    await refused(tar([{ name: "vm.ovf", content: Buffer.alloc(5 << 20, "<") }]), /more than 4194304 bytes/);
    const child = descriptor([{ name: "vm.vmdk" }], { disk: 'ovf:parentRef="file9"' });
    await refused(tar([{ name: "vm.ovf", content: child }, disk()]), /needs a parent disk/);
  });

  it("is not inside another one, and its disk is no other than what may be an image by itself", async () => {
    const inner = await tar([ovf(), disk()]);
    await refused(tar([ovf(), { name: "vm.vmdk", content: inner }]), /an OVA inside another/);
    await refused(tar([ovf(), { name: "vm.vmdk", content: "<html>" }]), /a web page/);
    await refused(tar([disk(), ovf()]), /does not begin with an OVF descriptor/);
    await refused(tar([ovf(), disk(), disk()]), /"vm.vmdk" is in it twice/);
  });
});
