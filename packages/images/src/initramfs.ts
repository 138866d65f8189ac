// The first initramfs of a built image: busybox, a few drivers, and a script that finds the root file system.
//
// Debian's own is 13 MB and up and runs a hundred shell scripts; this one is 3 MB and a dozen commands, which saves
// seconds of a boot without KVM. It stays only until the guest makes one of its own (a new kernel, or a package with a
// hook): the file has the name that update-initramfs writes to.

import { readFile } from "node:fs/promises";
import type { CpioEntry } from "./cpio.ts";
import { writeCpio } from "./cpio.ts";
import type { KernelModule } from "./kernel-modules.ts";

/** Drivers for the disk that holds the root file system: virtio on PCI and MMIO, and virtio-scsi. */
export const rootDiskModules: readonly string[] = [
  "virtio_pci",
  "virtio_mmio",
  "virtio_blk",
  "virtio_scsi",
  "sd_mod",
  "ext4",
];

export async function makeInitramfs(spec: {
  readonly modules: readonly KernelModule[];
  /** Path of a static busybox. */
  readonly busybox: string;
}): Promise<Uint8Array> {
  const directories = ["bin", "dev", "proc", "sys", "root", "run", "modules"];
  const entries: CpioEntry[] = [
    ...directories.map((path): CpioEntry => ({ kind: "directory", path })),
    { kind: "device", path: "dev/console", major: 5, minor: 1 },
    { kind: "file", path: "bin/busybox", mode: 0o755, content: await readFile(spec.busybox) },
    { kind: "symlink", path: "bin/sh", target: "busybox" },
    { kind: "file", path: "init", mode: 0o755, content: Buffer.from(initScript(spec.modules)) },
    ...spec.modules.map((module): CpioEntry => ({
      kind: "file",
      path: `modules/${module.name}.ko`,
      content: module.content,
    })),
  ];
  return writeCpio(entries);
}

/** Drops to a shell on the console when the root file system does not appear in 30 s, as Debian's does. */
export function initScript(modules: readonly { readonly name: string }[]): string {
  return `#!/bin/sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
for m in ${modules.map((module) => module.name).join(" ")}; do $b insmod /modules/$m.ko; done
root= mode=ro init=/sbin/init flags=
for word in $($b cat /proc/cmdline); do
  case $word in
    root=*) root=\${word#root=} ;;
    rootflags=*) flags=\${word#rootflags=} ;;
    init=*) init=\${word#init=} ;;
    rw) mode=rw ;;
  esac
done
n=0
while :; do
  case $root in
    UUID=* | LABEL=*) device=$($b findfs "$root" 2>/dev/null) ;;
    *) device=$root ;;
  esac
  [ -n "$device" ] && [ -b "$device" ] && break
  n=$((n+1))
  if [ $n -gt 600 ]; then echo "initramfs: root device $root did not appear in 30 s" >/dev/console; exec $b sh </dev/console >/dev/console 2>&1; fi
  $b usleep 50000
done
# Bit 1 of s_state says that the kernel saw errors: only then is there work for fsck, as the journal is the kernel's to replay.
$b mount -t tmpfs -o mode=0755,nosuid,nodev,size=20% tmpfs /run
$b mkdir /run/initramfs
set -- $($b dd if="$device" bs=1 skip=1082 count=1 2>/dev/null | $b od -An -tu1)
[ $(($1 & 2)) = 0 ] && : >/run/initramfs/fsck-root
$b mount -t ext4 -o "$mode\${flags:+,$flags}" "$device" /root ||
  { echo "initramfs: cannot mount $device" >/dev/console; exec $b sh </dev/console >/dev/console 2>&1; }
for d in dev proc sys run; do $b mount -o move /$d /root/$d; done
exec $b switch_root /root "$init"
`;
}
