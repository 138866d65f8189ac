// The tiny guest on a disk that UEFI boots, also with secure boot: Debian's signed shim, GRUB and kernel on a FAT file system.

import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedImage, unpackPackage } from "./tiny-guest.ts";

const execute = promisify(execFile);

/** Of package ovmf: firmware that knows Microsoft's keys, which signed the shim. */
export const secureBootFirmware = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd";

// An emulated guest on a busy host misses timer interrupts that the kernel looks for at its start.
const grubConfig = `set timeout=0
linux /vmlinuz console=ttyS0 quiet no_timer_check
initrd /initrd.img
boot
`;

/** The disk image; made on the first call, which needs apt's mirrors. */
export async function tinyUefiGuestImage(): Promise<string> {
  return cachedImage("tiny-uefi-guest", import.meta.filename, async (path, { scratch, kernel, initramfs }) => {
    const tools = join(await unpackPackage(scratch, "mtools"), "usr/bin");
    const shim = await unpackPackage(scratch, "shim-signed");
    const grub = await unpackPackage(scratch, "grub-efi-amd64-signed");
    const raw = join(scratch, "disk.raw");
    const write = async (name: string, content: string | Uint8Array): Promise<string> => {
      await writeFile(join(scratch, name), content);
      return join(scratch, name);
    };
    const mtool = (tool: string, ...args: readonly string[]) =>
      execute(join(tools, tool), ["-i", raw, ...args], { env: { ...process.env, MTOOLS_SKIP_CHECK: "1" } });
    // The firmware takes a disk that is one file system as well as a partition.
    await mtool("mformat", "-C", "-F", "-T", String((64 << 20) / 512), "-h", "64", "-s", "32", "::");
    await mtool("mmd", "::/EFI", "::/EFI/BOOT", "::/EFI/debian");
    const files: readonly (readonly [string, string])[] = [
      [await find(shim, "shimx64.efi.signed"), "/EFI/BOOT/BOOTX64.EFI"],
      [await find(grub, "grubx64.efi.signed"), "/EFI/BOOT/grubx64.efi"],
      [await write("grub.cfg", grubConfig), "/EFI/debian/grub.cfg"],
      [kernel, "/vmlinuz"],
      [await write("initrd.img", initramfs), "/initrd.img"],
    ];
    for (const [from, to] of files) await mtool("mcopy", from, `::${to}`);
    await execute("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path]);
  });
}

async function find(tree: string, name: string): Promise<string> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const found = entries.find((entry) => entry.isFile() && entry.name === name);
  if (found === undefined) throw new Error(`the package unpacked in ${tree} has no ${name}`);
  return join(found.parentPath, found.name);
}
