import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { bootableDiskTools, diskIdentity, makeBootableDisk } from "./bootable-disk.ts";
import { writeCpio } from "./cpio.ts";
import { missingTools } from "./host-tools.ts";
import { findKernelModules } from "./kernel-modules.ts";
import { writePartitionTable } from "./partition-table.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "viv-disk-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const missing = await missingTools(bootableDiskTools);

describe(
  "bootable disk",
  { skip: missing.length > 0 && `missing: ${missing.map((tool) => tool.name).join(", ")}` },
  () => {
    const spec = () => ({
      rootDirectory: join(directory, "root"),
      path: join(directory, "disk.raw"),
      format: "raw" as const,
      sizeBytes: 64 << 20,
      kernel: "/vmlinuz",
      initrd: "/initrd.img",
      commandLine: "console=ttyS0",
      seed: "one",
    });

    before(async () => {
      await mkdir(join(directory, "root/boot"), { recursive: true });
      await writeFile(join(directory, "root/boot/vmlinuz-1"), "kernel");
      await symlink("boot/vmlinuz-1", join(directory, "root/vmlinuz"));
    });

    it("has a boot sector, one active Linux partition, and the tree in it", async () => {
      await makeBootableDisk(spec(), { signal });
      const disk = await readFile(join(directory, "disk.raw"));
      assert.equal(disk.length, 64 << 20);
      assert.equal(disk.readUInt16LE(510), 0xaa55);
      assert.equal(disk[446], 0x80);
      assert.equal(disk[450], 0x83);
      assert.equal(disk.readUInt32LE(454), 2048);
      assert.equal(disk.readUInt32LE(458), (64 << 11) - 2048);
      assert.notEqual(disk.readUInt32LE(512), 0);
      const fileSystem = join(directory, "fs");
      await writeFile(fileSystem, disk.subarray(1 << 20));
      const { stdout: config } = await run("debugfs", ["-R", "cat /boot/grub/grub.cfg", fileSystem]);
      assert.match(
        config,
        new RegExp(`^linux16 /vmlinuz root=UUID=${diskIdentity("one").fileSystemUuid} ro console=ttyS0$`, "m"),
      );
      assert.match(config, /^initrd16 \/initrd\.img$/m);
      const { stdout: kernel } = await run("debugfs", ["-R", "cat /boot/vmlinuz-1", fileSystem]);
      assert.equal(kernel, "kernel");
      await run("e2fsck", ["-fn", fileSystem]);
    });

    it("becomes a qcow2 that qemu-img finds no fault in", async () => {
      const path = join(directory, "disk.qcow2");
      await makeBootableDisk({ ...spec(), path, format: "qcow2" }, { signal });
      await run("qemu-img", ["check", "-q", path]);
    });

    it("stops when aborted", async () => {
      await assert.rejects(makeBootableDisk(spec(), { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
    });
  },
);

describe("partition table", () => {
  it("refuses a disk beyond what it can say", () => {
    const table = { signature: 1, startSector: 2048, sectors: 2 ** 32 };
    assert.throws(() => writePartitionTable(new Uint8Array(512), table), RangeError);
  });
});

describe("disk identity", () => {
  it("is a UUID that follows from the seed", () => {
    const { fileSystemUuid } = diskIdentity("a");
    assert.match(fileSystemUuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(diskIdentity("a").fileSystemUuid, fileSystemUuid);
    assert.notEqual(diskIdentity("b").fileSystemUuid, fileSystemUuid);
  });
});

describe("cpio archive", () => {
  const entries = [
    { kind: "directory", path: "bin" },
    { kind: "file", path: "bin/tool", mode: 0o755, content: Buffer.from("#!/bin/sh\n") },
    { kind: "symlink", path: "bin/sh", target: "tool" },
    { kind: "device", path: "console", major: 5, minor: 1 },
  ] as const;

  it("is the same bytes for the same entries", () => {
    const digest = createHash("sha256").update(writeCpio(entries)).digest("hex");
    assert.equal(digest, "54e86c985837ba9a41501b1323c963d05f21e6042445fdef149110dda7902111");
  });

  it("is read by cpio", async (t) => {
    if ((await missingTools([{ name: "cpio", debianPackage: "cpio" }])).length > 0) {
      t.skip("cpio is not on this host");
      return;
    }
    const path = join(directory, "archive");
    await writeFile(path, writeCpio(entries));
    const { stdout } = await run("sh", ["-c", `cpio -itv --quiet < ${path}`]);
    const lines = stdout.trim().split("\n");
    assert.match(lines[0] ?? "", /^drwxr-xr-x .* bin$/);
    assert.match(lines[1] ?? "", /^-rwxr-xr-x .* 10 .* bin\/tool$/);
    assert.match(lines[2] ?? "", /^lrwxrwxrwx .* bin\/sh -> tool$/);
    assert.match(lines[3] ?? "", /^crw------- .*5, *1 .* console$/);
  });
});

describe("kernel modules", () => {
  const moduleFile = (depends: string): Buffer => Buffer.from(`\x7fELF\0license=GPL\0depends=${depends}\0name=x\0`);

  before(async () => {
    const kernel = join(directory, "modules/kernel/drivers");
    await mkdir(kernel, { recursive: true });
    await writeFile(join(kernel, "virtio_blk.ko"), moduleFile("virtio,virtio-ring"));
    await writeFile(join(kernel, "virtio.ko.gz"), gzipSync(moduleFile("virtio_ring")));
    await writeFile(join(kernel, "virtio-ring.ko"), moduleFile(""));
    await writeFile(join(kernel, "lost.ko"), moduleFile("nowhere"));
    await writeFile(join(directory, "modules/modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
  });

  it("come after what they depend on, each once, unpacked", async () => {
    const modules = await findKernelModules(join(directory, "modules"), ["virtio_blk", "virtio", "ext4"]);
    assert.deepEqual(
      modules.map((module) => module.name),
      ["virtio_ring", "virtio", "virtio_blk"],
    );
    assert.deepEqual(Buffer.from(modules[1]?.content ?? []), moduleFile("virtio_ring"));
  });

  it("that are missing are named, with what needs them", async () => {
    await assert.rejects(findKernelModules(join(directory, "modules"), ["lost"]), /nowhere, which lost depends on/);
  });
});
