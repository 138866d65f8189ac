// The StoragePool controller: adopts or makes the pool of each StoragePool, watches how full it is, and lets go of it.

import {
  forceDeleteAnnotation,
  formatKey,
  findCondition,
  Provider,
  StoragePool,
  storagePoolFinalizer,
  Volume,
} from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager } from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectNews } from "./object-news.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { isPlacedOn, madeOnOf, providerOfPlaced } from "./placed/placed-object.ts";
import { placedReconcile } from "./placed/placed-reconcile.ts";
import type { PlacedKind, PlacedReport } from "./placed/placed-reconcile.ts";
import { roleOf } from "./placed/role-of.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import type { OwnStep } from "./steps/step.ts";
import { decidePool } from "./storage-pool-plan.ts";
import type { PoolInput, PoolStep } from "./storage-pool-plan.ts";
import { poolStatusOf } from "./storage-pool-status.ts";
import { poolNameOf, targetOf } from "./storage-pool-target.ts";
import { referredBy } from "./volume-resolve.ts";

export interface StorageControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

export function createStoragePoolController({ manager, providers, clock }: StorageControllerOptions): Controller {
  const pools = manager.cache(StoragePool);
  const volumes = manager.cache(Volume);
  const providerObjects = manager.cache(Provider);
  const volumeNews = new ObjectNews<Volume>(({ spec, status }) => [
    spec.poolRef,
    status?.record,
    status?.capacityBytes,
  ]);
  /** By uid: when the host last looked at what lies there. */
  const refreshedAtMs = new Map<string, number>();

  const kind: PlacedKind<StoragePool, PoolInput, OwnStep<PoolStep>> = {
    type: StoragePool,
    finalizer: storagePoolFinalizer,
    observe,
    decide: decidePool,
    act,
    explain: (error) => ({
      reason: error.code === "Conflict" ? "InUse" : error.code,
      retryMs: error.retryable ? 10_000 : 60_000,
    }),
    report,
    end: (_, pool) => void refreshedAtMs.delete(pool?.metadata.uid ?? ""),
  };

  async function observe(
    pool: StoragePool,
    { done, signal }: { readonly done: ReadonlySet<string>; readonly signal: AbortSignal },
  ): Promise<PoolInput> {
    const key = providerOfPlaced(pool, providerObjects.list());
    const target = targetOf(pool, key);
    const madeOn = madeOnOf(pool);
    const refreshed = refreshedAtMs.get(pool.metadata.uid ?? "");
    return {
      nowMs: clock.now(),
      isDeleting: pool.metadata.deletionTimestamp !== undefined,
      hasFinalizer: pool.metadata.finalizers?.includes(storagePoolFinalizer) ?? false,
      isForcedDelete: pool.metadata.annotations?.[forceDeleteAnnotation] === "true",
      target,
      ...(key === undefined ? {} : { provider: formatKey(key) }),
      ...(madeOn === undefined ? {} : { madeOn }),
      seen: await orUnavailable(async () => {
        if (target.kind === "problem") throw new ProviderError("Unavailable", target.problem.message);
        return roleOf(providers, key, "pools").observe(target.ref, { signal });
      }),
      volumes: volumes
        .list()
        .filter((volume) => isIn(volume, pool))
        .map((volume) => formatKey(requestOf(volume))),
      ...(refreshed === undefined ? {} : { refreshedAtMs: refreshed }),
      done,
    };
  }

  async function act(
    pool: StoragePool,
    step: OwnStep<PoolStep>,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    if (step.kind === "RecordPlacement") {
      const status = { ...pool.status, record: { madeOn: step.provider } };
      await writeStatus(manager.client, { type: StoragePool, object: pool, status }, options);
      return;
    }
    const role = roleOf(providers, providerOfPlaced(pool, providerObjects.list()), "pools");
    switch (step.kind) {
      case "Check":
        return role.check(step.definition, options);
      case "Create":
        await role.create(step.definition, options);
        tell(pool, "Normal", "Created", `Pool "${step.definition.name}" of type "${step.definition.type}" is made`);
        return;
      case "Start":
        await role.start(step.ref, options);
        tell(pool, "Normal", "Started", `Pool "${step.ref.name}" was stopped, and is started again`);
        return;
      case "Refresh":
        refreshedAtMs.set(pool.metadata.uid ?? "", clock.now());
        try {
          await role.refresh(step.ref, options);
        } catch (error) {
          // Busy with a volume; what is known of it will do until the next time.
          if (!isProviderError(error, "Unavailable")) throw error;
        }
        return;
      case "Remove":
        return role.remove(step.ref, options);
    }
  }

  async function report(pool: StoragePool, { situation, look, signal }: PlacedReport<PoolInput>): Promise<void> {
    const status = poolStatusOf(pool, { situation, input: look, now: new Date(clock.now()) });
    await writeStatus(manager.client, { type: StoragePool, object: pool, status }, { signal });
    for (const type of ["Ready", "CapacityLow"] as const) {
      const now = findCondition(status.conditions, type);
      const old = findCondition(pool.status?.conditions, type);
      if (now === undefined || (now.status === old?.status && now.reason === old.reason)) continue;
      const isFine = now.status === (type === "Ready" ? "True" : "False");
      // That a pool has room is no news, unless it had none.
      if (isFine && (type === "Ready" || old === undefined)) continue;
      tell(pool, isFine ? "Normal" : "Warning", isFine ? "CapacityRestored" : now.reason, now.message);
    }
  }

  function tell(pool: StoragePool, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(pool, { type, reason, message });
  }

  function poolsOn(key: ProviderKey): readonly StoragePool[] {
    return pools.list().filter((pool) => isPlacedOn(pool, key, providerObjects.list()));
  }

  return {
    name: "storage-pool",
    for: StoragePool,
    related: [
      related(Volume, (volume) => (volumeNews.isNews(volume) ? [referredBy(volume, volume.spec.poolRef)] : [])),
      related(Provider, (provider) => poolsOn(requestOf(provider)).map(requestOf)),
    ],
    sources: [
      (enqueue, { signal }) =>
        providers.subscribe(
          ({ provider, event }) => {
            if (event.kind === "vm" || event.kind === "network") return;
            for (const pool of poolsOn(provider)) {
              if (event.kind !== "pool" || event.pool === poolNameOf(pool)) enqueue(requestOf(pool));
            }
          },
          { signal },
        ),
    ],
    reconcile: placedReconcile(kind, { manager, clock }),
  };
}

function isIn(volume: Volume, pool: StoragePool): boolean {
  const { name, namespace = volume.metadata.namespace } = volume.spec.poolRef;
  return name === pool.metadata.name && namespace === pool.metadata.namespace;
}
