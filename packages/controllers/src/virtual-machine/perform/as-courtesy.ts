// Leases are given back as a courtesy: one that stays is no reason to stop.

import { isProviderError } from "@vivarium/provider";
import type { Look } from "../look.ts";

export async function asCourtesy({ log }: Look, released: Promise<void>): Promise<void> {
  try {
    await released;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    log.info({ err: error }, "leases were not given back");
  }
}
