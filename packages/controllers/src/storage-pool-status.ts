// A StoragePool's status from what was decided and seen. Pure.

import { poolPolicyOf, roundQuantity, setCondition } from "@vivarium/api";
import type { StoragePool, StoragePoolStatus } from "@vivarium/api";
import type { PoolObservation } from "@vivarium/provider";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";
import { lowCapacity } from "./storage-guard.ts";
import type { PoolInput, PoolSituation } from "./storage-pool-plan.ts";
import { poolNameOf } from "./storage-pool-target.ts";

export function poolStatusOf(
  pool: StoragePool,
  { situation, input, now }: { readonly situation: PoolSituation; readonly input: PoolInput; readonly now: Date },
): StoragePoolStatus {
  const ready = readyOf(pool, situation);
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
    phase: phaseOf(situation, input),
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

function phaseOf(situation: PoolSituation, input: PoolInput): NonNullable<StoragePoolStatus["phase"]> {
  if (input.isDeleting) return "Deleting";
  switch (situation.kind) {
    case "Ready":
      return "Ready";
    case "Inactive":
      return "Inactive";
    case "Problem":
      return "Failed";
    case "Unavailable":
      return "Pending";
    case "InUse":
    case "Gone":
      return "Deleting";
  }
}

function readyOf(pool: StoragePool, situation: PoolSituation): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Ready":
      return { status: "True", reason: "Ready", message: `Pool "${poolNameOf(pool)}" is active` };
    case "Inactive":
      return no(
        "Inactive",
        `Pool "${poolNameOf(pool)}" is stopped. It was adopted and is not started from here: start it on the host`,
      );
    case "Problem":
      return no(situation.problem.reason, situation.problem.message);
    case "Unavailable":
      return {
        status: "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot look at the pool: ${situation.error.message}`,
      };
    case "InUse":
      return no("InUse", `Cannot be deleted while volumes are in it: ${situation.volumes.join(", ")}`);
    case "Gone":
      return no("Deleted", "Deleted");
  }
}
