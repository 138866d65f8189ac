// What lies on the hypervisor, asked of libvirt directly and not of the program under test.

import { readdir, readFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);
const poolDirectory = "/var/lib/libvirt/images/vivarium";
const nvramDirectory = "/var/lib/libvirt/qemu/nvram";

async function virsh(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute("virsh", ["-c", "qemu:///system", "-q", ...args]);
  return stdout.trim();
}

async function names(...args: readonly string[]): Promise<readonly string[]> {
  return (await virsh(...args))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

export interface Inventory {
  readonly domains: readonly string[];
  readonly running: readonly string[];
  /** Files of VMs in the pool; base images are left out. */
  readonly files: readonly string[];
}

export async function inventory(): Promise<Inventory> {
  const [domains, running, files] = await Promise.all([
    names("list", "--all", "--name"),
    names("list", "--state-running", "--name"),
    readdir(poolDirectory).catch(filesByLibvirt),
  ]);
  return { domains, running, files: files.filter((file) => !file.startsWith("image-")).sort() };
}

/** The pool's folder is root's; other users learn from libvirt what is in it. */
async function filesByLibvirt(error: NodeJS.ErrnoException): Promise<readonly string[]> {
  if (error.code === "ENOENT") return [];
  if (error.code !== "EACCES") throw error;
  await virsh("pool-refresh", "vivarium");
  return (await names("vol-list", "vivarium")).flatMap((line) => line.split(/\s+/)[0] ?? []);
}

/** MAC addresses that hold a DHCP lease in network `default`. */
export async function leasedMacs(): Promise<readonly string[]> {
  return (await names("net-dhcp-leases", "default")).flatMap(
    (line) => /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(line)?.[0] ?? [],
  );
}

/** What a VM that is gone must not have left: domains, files of the pool, firmware variables, leases. */
export async function leftovers(): Promise<readonly string[]> {
  const [{ domains, files }, nvram, leases] = await Promise.all([
    inventory(),
    readdir(nvramDirectory).catch(() => []),
    leasedMacs(),
  ]);
  return [...domains, ...files, ...nvram, ...leases];
}

/** Does to a domain what an operator would do behind our back. */
export async function meddle(...args: readonly string[]): Promise<void> {
  await virsh(...args);
}

/** Pid of the QEMU that runs this domain. */
export async function guestPid(domain: string): Promise<number | undefined> {
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may end while it is looked at.
    const command = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (command.split("\0").some((word) => word.startsWith(`guest=${domain},`))) return Number(entry);
  }
  return undefined;
}
