// Whether a host can take in a guest whose memory comes after it: QEMU needs userfaultfd for that, which most kernels keep for root.

import { readFile, stat } from "node:fs/promises";
import type { LibvirtHost } from "../libvirt-host.ts";

const sysctl = "/proc/sys/vm/unprivileged_userfaultfd";
const device = "/dev/userfaultfd";
const othersReadAndWrite = 0o006;

/** Of another machine nobody can tell beforehand: there the move itself fails, before the guest leaves. */
export async function whyNoPostCopy({ isLocal }: Pick<LibvirtHost, "isLocal">): Promise<string | undefined> {
  if (!isLocal) return undefined;
  // A kernel without the setting gives it to everybody, or has none of it, and then QEMU says so.
  if ((await contentOf(sysctl)) !== "0" || (await isOpenToOthers(device))) return undefined;
  return "keeps userfaultfd, which post-copy needs, for root: set vm.unprivileged_userfaultfd=1 there, or move without postCopy";
}

async function contentOf(path: string): Promise<string | undefined> {
  return (await readFile(path, "utf8").catch(() => undefined))?.trim();
}

async function isOpenToOthers(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && (found.mode & othersReadAndWrite) === othersReadAndWrite;
}
