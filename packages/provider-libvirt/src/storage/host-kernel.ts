// What this machine's kernel can mount and map. libvirt only finds out by trying, when half of a pool may be made already.

import { readFile } from "node:fs/promises";
import { release } from "node:os";

/** Reads as empty where there is no such file. */
async function lines(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n");
}

/** Whether the kernel has the module built in, loaded, or at hand. */
async function hasModule(name: string): Promise<boolean> {
  const directory = `/lib/modules/${release()}`;
  const known = [...(await lines(`${directory}/modules.builtin`)), ...(await lines(`${directory}/modules.dep`))];
  return known.some((line) => line.startsWith("kernel/") && line.includes(`/${name}.ko`));
}

export async function hasDeviceMapper(): Promise<boolean> {
  const misc = await lines("/proc/misc");
  return misc.some((line) => line.endsWith(" device-mapper")) || (await hasModule("dm-mod"));
}

export async function hasFileSystem(name: string): Promise<boolean> {
  const known = await lines("/proc/filesystems");
  return known.some((line) => line.split("\t").at(-1) === name) || (await hasModule(name));
}
