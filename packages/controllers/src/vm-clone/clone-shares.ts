// How much of the work on a VM's disks is done, from 0 to 1. Pure.

import type { CloneProgress } from "@vivarium/provider";

/** `share`: of the present disk. */
export function sharesOf({ diskDoneBytes, diskTotalBytes, doneDisks, totalDisks }: CloneProgress): {
  readonly share: number;
  readonly overall: number;
} {
  const isBetween = doneDisks >= totalDisks;
  const share = diskTotalBytes > 0 ? Math.min(1, diskDoneBytes / diskTotalBytes) : 0;
  return { share, overall: totalDisks === 0 ? 1 : Math.min(1, (doneDisks + (isBetween ? 0 : share)) / totalDisks) };
}
