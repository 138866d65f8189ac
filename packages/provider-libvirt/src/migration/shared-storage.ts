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
    return (await there.find(name, options)) !== undefined;
  } finally {
    // Also for a caller that left.
    await here.delete(name);
    await there.refresh().catch(() => undefined);
  }
}

const probePrefix = "vivarium-probe-";
