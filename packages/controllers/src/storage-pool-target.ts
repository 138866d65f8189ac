// What a StoragePool means on the hypervisor: under which name, adopted or to be made. Pure.

import type { StoragePool } from "@vivarium/api";
import { domainNameOf } from "@vivarium/provider";
import type { ProviderKey } from "./provider-registry.ts";
import type { PoolTarget } from "./storage-pool-plan.ts";

export function targetOf(pool: StoragePool, provider: ProviderKey | undefined): PoolTarget {
  const { adopt, create } = pool.spec;
  const problem = (reason: string, message: string): PoolTarget => ({ kind: "problem", problem: { reason, message } });
  if ((adopt === undefined) === (create === undefined)) {
    return problem("InvalidSpec", "Exactly one of spec.adopt and spec.create must be there");
  }
  if (provider === undefined) {
    return problem("ProviderNotFound", "No Provider can be told: name one in spec.providerRef");
  }
  if (adopt !== undefined) return { kind: "adopt", ref: { kind: "adopted", name: adopt.name } };
  if (create === undefined) return problem("InvalidSpec", "spec.create is absent");
  const uid = pool.metadata.uid ?? "";
  const name = poolNameOf(pool);
  const { type, path, source } = create;
  return {
    kind: "create",
    ref: { kind: "made", uid, name },
    definition: {
      uid,
      name,
      type,
      ...(path === undefined ? {} : { path }),
      ...(source === undefined ? {} : { source }),
    },
  };
}

/** The pool's name on the hypervisor. */
export function poolNameOf(pool: StoragePool): string {
  const { uid = "", namespace = "default", name } = pool.metadata;
  return pool.spec.adopt?.name ?? domainNameOf({ uid, namespace, name });
}
