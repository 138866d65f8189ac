// A StoragePool's status from what was decided and seen. Pure.

import { poolPolicyOf, roundQuantity, setCondition } from "@vivarium/api";
import type { StoragePool, StoragePoolStatus } from "@vivarium/api";
import type { PoolObservation } from "@vivarium/provider";
import { observedGenerationOf } from "./verdict.ts";
import { lowCapacity } from "./storage-guard.ts";
import { placedPhase, placedVerdict } from "./placed/placed-situation.ts";
import type { PlacedSituation } from "./placed/placed-situation.ts";
import type { PoolInput } from "./storage-pool-plan.ts";
import { poolNameOf } from "./storage-pool-target.ts";

export function poolStatusOf(
  pool: StoragePool,
  { situation, input, now }: { readonly situation: PlacedSituation; readonly input: PoolInput; readonly now: Date },
): StoragePoolStatus {
  const ready = placedVerdict(situation, {
    noun: "pool",
    name: poolNameOf(pool),
    users: "volumes are in it",
  });
  const observed = observedGenerationOf(pool);
  const seen = input.seen.kind === "present" ? input.seen : undefined;
  let conditions = setCondition(pool.status?.conditions, { type: "Ready", ...ready, ...observed }, { now });
  if (seen?.isActive === true) {
    const why = lowCapacity(seen, poolPolicyOf(pool.spec));
    const low =
      why === undefined
        ? ({ status: "False", reason: "EnoughSpace", message: "There is room within spec.policy" } as const)
        : ({ status: "True", reason: "CapacityLow", message: `No new volume is made: ${why}` } as const);
    conditions = setCondition(conditions, { type: "CapacityLow", ...low, ...observed }, { now });
  }
  return {
    ...pool.status,
    ...(seen === undefined ? {} : numbersOf(seen)),
    phase: placedPhase(situation, input),
    message: ready.message,
    pool: poolNameOf(pool),
    ...observed,
    conditions,
  };
}

function numbersOf(seen: Extract<PoolObservation, { kind: "present" }>): Partial<StoragePoolStatus> {
  const { capacityBytes, availableBytes, allocationBytes, provisionedBytes, volumes, type, path } = seen;
  if (!seen.isActive) return { type };
  return {
    type,
    ...(path === undefined ? {} : { path }),
    capacityBytes,
    allocationBytes,
    availableBytes,
    capacity: roundQuantity(capacityBytes),
    available: roundQuantity(availableBytes),
    provisionedBytes,
    volumes,
    usedPercent: capacityBytes === 0 ? 0 : Math.round(((capacityBytes - availableBytes) / capacityBytes) * 100),
  };
}
