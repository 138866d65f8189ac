// Turns a root tree fresh from mmdebstrap into that of a cloud image: settings, units, first initramfs.

import { chmod, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { diskIdentity } from "./bootable-disk.ts";
import { enabledUnits, guestFiles, maskedUnits } from "./guest-system.ts";
import type { GuestFile } from "./guest-system.ts";
import { makeInitramfs, rootDiskModules } from "./initramfs.ts";
import { findKernelModules } from "./kernel-modules.ts";
import { runWithRootRights } from "./root-rights.ts";

export async function finishRootTree(
  root: string,
  options: { readonly seed: string; readonly aptSources: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  const { fileSystemUuid } = diskIdentity(options.seed);
  const files: readonly GuestFile[] = [
    ...guestFiles,
    { path: "etc/fstab", content: `UUID=${fileSystemUuid} / ext4 defaults,noatime,errors=remount-ro 0 1\n` },
    { path: "etc/apt/sources.list", content: `${options.aptSources.join("\n")}\n` },
  ];
  for (const file of files) await writeGuestFile(root, file);
  for (const path of await bornPerGuest(root)) await rm(join(root, path), { force: true });
  // dbus reads the same identity as systemd.
  await symlink("/etc/machine-id", join(root, "var/lib/dbus/machine-id"));

  await runWithRootRights("chroot", [root, "systemctl", "--quiet", "enable", ...enabledUnits], {
    signal: options.signal,
  });
  await runWithRootRights("chroot", [root, "systemctl", "--quiet", "mask", ...maskedUnits], { signal: options.signal });
  // Marks the image as up to date, so that systemd does not rebuild its databases at the first boot.
  for (const path of ["etc/.updated", "var/.updated"]) await writeFile(join(root, path), "");

  await writeFirstInitramfs(root);
}

async function writeGuestFile(root: string, { path, content, mode }: GuestFile): Promise<void> {
  const target = join(root, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  if (mode !== undefined) await chmod(target, mode);
}

/** What must differ from guest to guest and is therefore made by each at its first boot; and what the build left. */
async function bornPerGuest(root: string): Promise<readonly string[]> {
  const sshFiles = await readdir(join(root, "etc/ssh"));
  return [
    ...sshFiles.filter((name) => name.startsWith("ssh_host_")).map((name) => `etc/ssh/${name}`),
    "etc/hostname",
    // mmdebstrap's settings were for the build: what the guest installs comes whole.
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/log/apt/history.log",
    "var/log/apt/term.log",
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "vmlinuz.old",
    "initrd.img.old",
  ];
}

async function writeFirstInitramfs(root: string): Promise<void> {
  const versions = await readdir(join(root, "usr/lib/modules"));
  const [version] = versions;
  if (version === undefined || versions.length > 1) {
    throw new Error(`Cannot make initramfs: kernels in the tree are ${JSON.stringify(versions)}, expected one`);
  }
  const modules = await findKernelModules(join(root, "usr/lib/modules", version), rootDiskModules);
  await writeFile(
    join(root, `boot/initrd.img-${version}`),
    await makeInitramfs({ modules, busybox: join(root, "bin/busybox") }),
  );
}
