// What images take on the disk as layers, and what the same images take when each is a file that stands on its own.

import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { execute } from "./by-hand.ts";

/** `layers` are images that machines are made of; `below` what they are built upon. Paths on this host. */
export async function diskUse(
  { layers, below }: { readonly layers: readonly string[]; readonly below: readonly string[] },
  scratch: string,
): Promise<{ readonly layered: number; readonly flat: number }> {
  let layered = 0;
  for (const path of new Set([...layers, ...below])) layered += await allocated(path);
  let flat = 0;
  for (const path of layers) {
    const copy = join(scratch, "flat.qcow2");
    await execute("qemu-img", ["convert", "-f", "qcow2", "-O", "qcow2", path, copy]);
    flat += await allocated(copy);
    await rm(copy);
  }
  return { layered, flat };
}

async function allocated(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
