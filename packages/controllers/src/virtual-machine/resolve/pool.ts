// Whether the pool in which a Provider makes the disks of VMs is low, as the StoragePool that stands for it says. Pure.

import { findCondition } from "@vivarium/api";
import type { Provider, StoragePool } from "@vivarium/api";
import { providerConfigPool } from "../../provider-config.ts";
import { providerOfPlaced } from "../../placed/placed-object.ts";
import type { Problem } from "../plan/input.ts";

/** Without a StoragePool for it nobody has set a limit. */
export function lowPoolOf(
  provider: Provider,
  { pools, providers }: { readonly pools: readonly StoragePool[]; readonly providers: readonly Provider[] },
): Problem | undefined {
  const name = providerConfigPool(provider);
  for (const pool of pools) {
    const on = providerOfPlaced(pool, providers);
    const isIts = on?.name === provider.metadata.name && on.namespace === provider.metadata.namespace;
    const low = findCondition(pool.status?.conditions, "CapacityLow");
    if (!isIts || pool.status?.pool !== name || low?.status !== "True") continue;
    const message = `StoragePool "${pool.metadata.name}", where disks of VMs lie, is low: ${low.message}`;
    return { reason: "PoolFull", message };
  }
  return undefined;
}
