// Whether two hosts see the same files in a pool. Names and paths prove nothing, and a wrong answer would delete a VM's only disks: a file
// that is made here must appear there.

import { randomUUID } from "node:crypto";
import type { CallOptions } from "@vivarium/provider";
import type { VolumePool } from "../pool.ts";

export async function isSharedPool(
  here: VolumePool,
  there: VolumePool,
  options: CallOptions | undefined,
): Promise<boolean> {
  const name = `${probePrefix}${randomUUID()}.raw`;
  await here.create({ name, format: "raw", capacityBytes: 0, allocationBytes: 0 }, options);
  try {
    await there.refresh(options);
    await removeLeftOver(here, name, options);
    return (await there.find(name, options)) !== undefined;
  } finally {
    // Also for a caller that left.
    await here.delete(name);
    await there.refresh().catch(() => undefined);
  }
}

const probePrefix = "vivarium-probe-";
/** By far longer than a look takes; one that another server takes just now must stay. */
const leftOverSeconds = 3600;

/** Those of looks that did not live to remove them. How old they are is said by the host's own clock. */
async function removeLeftOver(pool: VolumePool, own: string, options: CallOptions | undefined): Promise<void> {
  const names = (await pool.names(options)).filter((name) => name.startsWith(probePrefix) && name !== own);
  const now = names.length === 0 ? undefined : (await pool.find(own, options))?.changedSeconds;
  if (now === undefined) return;
  for (const name of names) {
    const changed = (await pool.find(name, options))?.changedSeconds;
    if (changed !== undefined && now - changed > leftOverSeconds) await pool.delete(name, options);
  }
}
