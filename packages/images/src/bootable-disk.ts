// A tree of files becomes a disk that a PC's BIOS boots, without KVM, loop device or mount.
//
//     sector 0      boot.img    GRUB's first stage, and the partition table
//     sector 1…     core.img    GRUB itself; boot.img's default block list points at sector 1
//     sector 2048…  partition 1 ext4, filled by `mke2fs -d`
//
// GRUB's own installer wants a block device; placing its two images by hand gives the same bytes.

import { mkdir, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { requireTools } from "./host-tools.ts";
import type { HostTool } from "./host-tools.ts";
import { writePartitionTable } from "./partition-table.ts";
import { runCommand } from "./run-command.ts";

export interface BootableDiskSpec {
  /** Its tree becomes the root file system, with the owners and modes it has. `boot/grub/grub.cfg` is written into it. */
  readonly rootDirectory: string;
  /** The disk file to make; an existing file is replaced. */
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly sizeBytes: number;
  /** Path in the root file system; may be a symbolic link, for example `/vmlinuz`. */
  readonly kernel: string;
  readonly initrd?: string;
  /** `root=UUID=… ro` goes before it. */
  readonly commandLine: string;
  /** Everything in the disk that would be random is derived from it: the same tree and seed give the same disk. */
  readonly seed: string;
  readonly label?: string;
}

export const bootableDiskTools: readonly HostTool[] = [
  { name: "mke2fs", debianPackage: "e2fsprogs" },
  { name: "grub-mkimage", debianPackage: "grub-common" },
  { name: "/usr/lib/grub/i386-pc/boot.img", debianPackage: "grub-pc-bin" },
  { name: "qemu-img", debianPackage: "qemu-utils" },
];

const sectorBytes = 512;
const partitionStartSector = 2048;
const grubDirectory = "/usr/lib/grub/i386-pc";
/**
 * `linux16` boots the kernel at 1 MiB by its 16-bit entry. `linux` would have GRUB move the 50 MiB that the kernel unpacks to, byte
 * by byte, which takes 2 s without KVM.
 */
const grubModules = ["biosdisk", "part_msdos", "ext2", "normal", "linux16"];

export async function makeBootableDisk(
  spec: BootableDiskSpec,
  options: {
    readonly signal: AbortSignal;
    /** Runs the command that reads the tree, for one whose owners are not what they seem to be here. */
    readonly run?: typeof runCommand;
  },
): Promise<void> {
  const { signal, run = runCommand } = options;
  await requireTools("make a bootable disk", bootableDiskTools);
  const partitionBytes = spec.sizeBytes - partitionStartSector * sectorBytes;
  if (spec.sizeBytes % sectorBytes !== 0 || partitionBytes < 1 << 20) {
    throw new RangeError(`Cannot make disk: size is ${spec.sizeBytes} bytes, expected a multiple of 512 over 2 MiB`);
  }
  const identity = diskIdentity(spec.seed);
  await writeGrubConfig(spec, identity.fileSystemUuid);

  const raw = spec.format === "raw" ? spec.path : `${spec.path}.raw`;
  const core = `${spec.path}.core.img`;
  await rm(raw, { force: true });
  try {
    await writeFile(raw, "");
    await truncate(raw, spec.sizeBytes);
    const extended = [
      `offset=${partitionStartSector * sectorBytes}`,
      "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1",
      `hash_seed=${identity.fileSystemUuid}`,
    ].join(",");
    // A size in KiB: mke2fs would otherwise take the whole file, from the offset on.
    await run(
      "mke2fs",
      [
        "-qF",
        "-text4",
        "-m1",
        `-L${spec.label ?? "root"}`,
        `-U${identity.fileSystemUuid}`,
        "-O^metadata_csum_seed,^orphan_file", // GRUB 2.06 refuses these
        `-E${extended}`,
        `-d${spec.rootDirectory}`,
        raw,
        `${Math.floor(partitionBytes / 1024)}k`,
      ],
      { signal, env: { E2FSPROGS_FAKE_TIME: "1" } },
    );
    // An empty device before the comma means: the disk that the BIOS booted.
    await runCommand("grub-mkimage", ["-O", "i386-pc", "-p", "(,msdos1)/boot/grub", "-o", core, ...grubModules], {
      signal,
    });
    await placeBootLoader(raw, {
      core,
      signature: identity.diskSignature,
      partitionSectors: Math.floor(partitionBytes / sectorBytes),
    });
    if (spec.format === "qcow2") {
      await runCommand("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1", raw, spec.path], {
        signal,
      });
    }
  } finally {
    await rm(core, { force: true });
    if (raw !== spec.path) await rm(raw, { force: true });
  }
}

interface DiskIdentity {
  readonly fileSystemUuid: string;
  readonly diskSignature: number;
}

/** The UUID that the root file system of a disk made with this seed has. */
export function diskIdentity(seed: string): DiskIdentity {
  const digest = createHash("sha256").update(`disk:${seed}`).digest();
  const hex = digest.toString("hex");
  // Version 8 (free use) and variant bits, RFC 9562.
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)];
  return { fileSystemUuid: uuid.join("-"), diskSignature: digest.readUInt32LE(28) || 1 };
}

async function writeGrubConfig(spec: BootableDiskSpec, uuid: string): Promise<void> {
  const path = join(spec.rootDirectory, "boot/grub/grub.cfg");
  await mkdir(dirname(path), { recursive: true });
  const lines = [
    "# The links in / follow the newest kernel, so that this file never has to change.",
    "set timeout=0",
    `linux16 ${spec.kernel} root=UUID=${uuid} ro ${spec.commandLine}`,
    ...(spec.initrd === undefined ? [] : [`initrd16 ${spec.initrd}`]),
    "boot",
    "",
  ];
  await writeFile(path, lines.join("\n"));
}

async function placeBootLoader(
  disk: string,
  { core, signature, partitionSectors }: { core: string; signature: number; partitionSectors: number },
): Promise<void> {
  const coreBytes = (await stat(core)).size;
  const room = (partitionStartSector - 1) * sectorBytes;
  if (coreBytes > room)
    throw new Error(`Cannot place GRUB: core image is ${coreBytes} bytes, expected at most ${room}`);
  const bootSector = Buffer.alloc(sectorBytes);
  bootSector.set((await readFile(join(grubDirectory, "boot.img"))).subarray(0, 440));
  writePartitionTable(bootSector, { signature, startSector: partitionStartSector, sectors: partitionSectors });
  const file = await open(disk, "r+");
  try {
    await file.write(bootSector, 0, sectorBytes, 0);
    await file.write(await readFile(core), 0, coreBytes, sectorBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
