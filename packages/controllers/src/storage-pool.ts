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
import type { PoolRole } from "@vivarium/provider";
import { ensureFinalizer, related, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectNews } from "./object-news.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import { decidePool } from "./storage-pool-plan.ts";
import type { PoolInput, PoolSituation, PoolStep, PoolTarget } from "./storage-pool-plan.ts";
import { poolStatusOf } from "./storage-pool-status.ts";
import { poolNameOf, providerOfPool, recordOf, targetOf } from "./storage-pool-target.ts";
import { referredBy } from "./volume-resolve.ts";

export interface StorageControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const mostSteps = 20;

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

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const done = new Set<PoolStep["kind"]>();
    for (let count = 0; count < mostSteps; count++) {
      const pool = pools.get(request);
      if (pool === undefined) return undefined;
      const input = await observe(pool, { done, signal: context.signal });
      const step = decidePool(input);
      if (step.kind === "Settle") return settle(pool, { ...step, input }, context);
      try {
        await act(pool, step, context);
      } catch (error) {
        if (!isProviderError(error)) throw error;
        const lookAgainAtMs = clock.now() + (error.retryable ? 10_000 : 60_000);
        const problem = { reason: reasonOf(error), message: error.message };
        return settle(pool, { situation: { kind: "Problem", problem }, lookAgainAtMs, input }, context);
      }
      done.add(step.kind);
      if (step.kind === "RemoveFinalizer") return undefined;
    }
    throw new Error(`Cannot settle StoragePool "${request.name}": ${mostSteps} steps led nowhere`);
  }

  async function observe(
    pool: StoragePool,
    { done, signal }: { readonly done: ReadonlySet<PoolStep["kind"]>; readonly signal: AbortSignal },
  ): Promise<PoolInput> {
    const key = providerOfPool(pool, providerObjects.list());
    const target = targetOf(pool, key);
    const madeOn = recordOf(pool).madeOn;
    const refreshed = refreshedAtMs.get(pool.metadata.uid ?? "");
    return {
      nowMs: clock.now(),
      isDeleting: pool.metadata.deletionTimestamp !== undefined,
      hasFinalizer: pool.metadata.finalizers?.includes(storagePoolFinalizer) ?? false,
      isForcedDelete: pool.metadata.annotations?.[forceDeleteAnnotation] === "true",
      target,
      ...(key === undefined ? {} : { provider: formatKey(key) }),
      ...(madeOn === undefined ? {} : { madeOn }),
      seen: await see(target, key, signal),
      volumes: volumes
        .list()
        .filter((volume) => isIn(volume, pool))
        .map((volume) => formatKey(requestOf(volume))),
      ...(refreshed === undefined ? {} : { refreshedAtMs: refreshed }),
      done,
    };
  }

  async function see(
    target: PoolTarget,
    key: ProviderKey | undefined,
    signal: AbortSignal,
  ): Promise<PoolInput["seen"]> {
    const unavailable = (message: string): PoolInput["seen"] => ({
      kind: "unavailable",
      error: new ProviderError("Unavailable", message),
    });
    if (target.kind === "problem") return unavailable(target.problem.message);
    try {
      return await roleOf(key).observe(target.ref, { signal });
    } catch (error) {
      if (!isProviderError(error)) throw error;
      return { kind: "unavailable", error };
    }
  }

  function roleOf(key: ProviderKey | undefined): PoolRole {
    const name = key === undefined ? "" : formatKey(key);
    const open = key && providers.get(key);
    if (open === undefined) throw new ProviderError("Unavailable", `Provider "${name}" is not connected`);
    if (open.pools === undefined) throw new ProviderError("Unsupported", `Provider "${name}" has no storage pools`);
    return open.pools;
  }

  async function act(
    pool: StoragePool,
    step: Exclude<PoolStep, { kind: "Settle" }>,
    { signal, log }: ReconcileContext,
  ): Promise<void> {
    const options = { signal };
    const finalized = { type: StoragePool, object: pool, finalizer: storagePoolFinalizer };
    const logged = { step: step.kind, pool: formatKey(requestOf(pool)) };
    const role = (): PoolRole => roleOf(providerOfPool(pool, providerObjects.list()));
    log.info({ ...logged, phase: "start" }, "step");
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(manager.client, finalized, options);
        break;
      case "RecordPlacement": {
        const status = { ...pool.status, record: { madeOn: step.provider } };
        await writeStatus(manager.client, { type: StoragePool, object: pool, status }, options);
        break;
      }
      case "Check":
        await role().check(step.definition, options);
        break;
      case "Create":
        await role().create(step.definition, options);
        tell(pool, "Normal", "Created", `Pool "${step.definition.name}" of type "${step.definition.type}" is made`);
        break;
      case "Start":
        await role().start(step.ref, options);
        tell(pool, "Normal", "Started", `Pool "${step.ref.name}" was stopped, and is started again`);
        break;
      case "Refresh":
        refreshedAtMs.set(pool.metadata.uid ?? "", clock.now());
        try {
          await role().refresh(step.ref, options);
        } catch (error) {
          // Busy with a volume; what is known of it will do until the next time.
          if (!isProviderError(error, "Unavailable")) throw error;
        }
        break;
      case "Remove":
        await role().remove(step.ref, options);
        break;
      case "RemoveFinalizer":
        refreshedAtMs.delete(pool.metadata.uid ?? "");
        await removeFinalizer(manager.client, finalized, options);
    }
    log.info({ ...logged, phase: "done" }, "step");
  }

  async function settle(
    pool: StoragePool,
    outcome: { readonly situation: PoolSituation; readonly lookAgainAtMs?: number; readonly input: PoolInput },
    { signal }: ReconcileContext,
  ): Promise<ReconcileResult> {
    const { situation, lookAgainAtMs, input } = outcome;
    if (situation.kind === "Gone") return undefined;
    const status = poolStatusOf(pool, { situation, input, now: new Date(clock.now()) });
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
    return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
  }

  function tell(pool: StoragePool, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(pool, { type, reason, message });
  }

  function poolsOn(key: ProviderKey): readonly StoragePool[] {
    return pools.list().filter((pool) => {
      const found = providerOfPool(pool, providerObjects.list());
      return found?.namespace === key.namespace && found.name === key.name;
    });
  }

  return {
    name: "storage-pool",
    for: StoragePool,
    related: [
      related(Volume, (volume) => (volumeNews.isNews(volume) ? [referredBy(volume, volume.spec.poolRef)] : [])),
      related(Provider, (provider) =>
        poolsOn({ namespace: provider.metadata.namespace ?? "", name: provider.metadata.name }).map(requestOf),
      ),
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
    reconcile,
  };
}

function isIn(volume: Volume, pool: StoragePool): boolean {
  const { name, namespace = volume.metadata.namespace } = volume.spec.poolRef;
  return name === pool.metadata.name && namespace === pool.metadata.namespace;
}

function reasonOf(error: ProviderError): string {
  return error.code === "Conflict" ? "InUse" : error.code;
}
