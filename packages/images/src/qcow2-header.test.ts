import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { before, after, describe, it } from "node:test";
import * as fc from "fast-check";
import { detectFormat, formatOf } from "./image-format.ts";
import { importImage } from "./import-image.ts";
import { missingTools } from "./host-tools.ts";
import { ImageError } from "./image-source.ts";
import { parseQcow2Header, qcow2Magic, qcow2Objection } from "./qcow2-header.ts";

const run = promisify(execFile);
const hasQemuImg = (await missingTools([{ name: "qemu-img", debianPackage: "qemu-utils" }])).length === 0;
const skip = hasQemuImg ? false : "qemu-img is not on this host";

describe("the header", () => {
  it("is never read beyond the bytes given, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 512 }), fc.boolean(), (bytes, withMagic) => {
        if (withMagic && bytes.length >= 8) {
          const view = new DataView(bytes.buffer, bytes.byteOffset);
          view.setUint32(0, qcow2Magic);
          view.setUint32(4, 2 + (bytes.length % 2));
        }
        const header = parseQcow2Header(bytes);
        if (header !== undefined) {
          assert.ok(Number.isSafeInteger(header.virtualSizeBytes) && header.clusterBytes >= 512);
          qcow2Objection(header);
        }
        formatOf(bytes, { tail: bytes.subarray(-512), sizeBytes: bytes.length });
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps the size that was put in, and objects to each feature that is not known", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 9, max: 21 }),
        (size, features, bits) => {
          const bytes = new Uint8Array(112);
          const view = new DataView(bytes.buffer);
          view.setUint32(0, qcow2Magic);
          view.setUint32(4, 3);
          view.setUint32(20, bits);
          view.setBigUint64(24, BigInt(size));
          view.setBigUint64(72, features);
          view.setUint32(100, 104);
          const header = parseQcow2Header(bytes);
          assert.equal(header?.virtualSizeBytes, size);
          assert.equal(header.clusterBytes, 2 ** bits);
          const known = 0b11001n; // dirty, compression type, extended L2 entries
          assert.equal(qcow2Objection(header) !== undefined, (features & ~known) !== 0n);
        },
      ),
    );
  });
});

describe("images that qemu-img made", { skip }, () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "viv-qcow2-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const make = async (name: string, ...args: readonly string[]): Promise<string> => {
    const path = join(directory, name);
    await run("qemu-img", ["create", "-q", ...args.slice(0, -1), path, ...args.slice(-1)]);
    return path;
  };

  const context = () => ({
    name: "the image",
    workDirectory: directory,
    space: { directory, reserveBytes: 0 },
    signal: new AbortController().signal,
    report: () => undefined,
    nowMs: () => 0,
  });

  const refused = async (path: string, message: RegExp): Promise<void> => {
    await assert.rejects(importImage(path, context()), (error) => {
      assert.ok(error instanceof ImageError);
      assert.equal(error.code, "UnknownFormat");
      assert.match(error.message, message);
      return true;
    });
  };

  it("are read for version, size and clusters", async () => {
    for (const [compat, version] of [
      ["0.10", 2],
      ["1.1", 3],
    ] as const) {
      const path = await make(`v${version}`, "-f", "qcow2", "-o", `compat=${compat},cluster_size=4096`, "5M");
      const format = await detectFormat(path);
      assert.ok(format.kind === "qcow2");
      assert.deepEqual(format.header, {
        version,
        virtualSizeBytes: 5 << 20,
        clusterBytes: 4096,
        isEncrypted: false,
        incompatibleFeatures: [],
      });
      assert.equal((await importImage(path, context())).virtualSizeBytes, 5 << 20);
    }
  });

  it("are refused with a backing file: it could be any file of the host", async () => {
    const path = await make("overlay", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", "1M");
    await refused(path, /backing file \("\/etc\/shadow"\)/);
  });

  it("are refused with an external data file", async () => {
    const data = join(directory, "data.raw");
    const path = await make("external", "-f", "qcow2", "-o", `data_file=${data},data_file_raw=on`, "1M");
    await refused(path, /data in another file/);
  });

  it("are refused when cut short", async () => {
    const path = await make("whole", "-f", "raw", "4M");
    const qcow2 = join(directory, "cut");
    await run("sh", [
      "-c",
      `head -c 4194304 /dev/urandom > ${path} && qemu-img convert -O qcow2 ${path} ${qcow2} && truncate -s 1M ${qcow2}`,
    ]);
    await refused(qcow2, /damaged/);
  });

  for (const format of ["vmdk", "vhdx", "vpc"]) {
    it(`are converted from ${format}`, async () => {
      const path = await make(`from.${format}`, "-f", format, "8M");
      const image = await importImage(path, context());
      assert.equal(image.format, "qcow2");
      assert.ok(image.virtualSizeBytes >= 8 << 20, String(image.virtualSizeBytes));
    });
  }

  for (const format of ["vmdk", "vhdx", "vpc"]) {
    it(`are refused as ${format} that was cut short, where a conversion would fill in zeros`, async () => {
      const raw = join(directory, "random.raw");
      const path = join(directory, `cut.${format}`);
      await run("sh", [
        "-c",
        `head -c 4194304 /dev/urandom > ${raw} && qemu-img convert -f raw -O ${format} ${raw} ${path} && truncate -s 3M ${path}`,
      ]);
      await refused(path, /damaged|Cannot run/);
    });
  }

  it("are refused when they promise more than any disk has", async () => {
    const path = await make("huge", "-f", "qcow2", "-o", "cluster_size=2M", "100T");
    await refused(path, /its disk has 100 TiB, expected 64.0 TiB at most/);
  });

  it("are refused as VMDK whose header points past the parent that QEMU would open", async () => {
    const path = await make("pointing-away.vmdk", "-f", "vmdk", "1M");
    const bytes = await readFile(path);
    bytes.write('parentFileNameHint="/etc/shadow"\n', 512, "latin1");
    bytes.writeBigUInt64LE(40n, 28);
    await writeFile(path, bytes);
    const { stdout } = await run("qemu-img", ["info", "-U", "-f", "vmdk", path]);
    assert.match(stdout, /backing file: \/etc\/shadow/);
    await refused(path, /parent file/);
  });

  it("are refused as VMDK with a parent or other files", async () => {
    const parent = await make("parent.vmdk", "-f", "vmdk", "1M");
    await refused(await make("child.vmdk", "-f", "vmdk", "-b", parent, "-F", "vmdk", "1M"), /parent file/);
    await refused(
      await make("flat.vmdk", "-f", "vmdk", "-o", "subformat=monolithicFlat", "1M"),
      /descriptor of other files/,
    );
  });
});
