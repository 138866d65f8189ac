// Joins the parts: one cache per kind, one loop per controller, and the wires between them.

import { apiVersionOf, isSameJson } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { realClock } from "./clock.ts";
import type { Clock } from "./clock.ts";
import type { Controller, Manager, ReconcileRequest, RelatedWatch } from "./controller.ts";
import { ApiEventRecorder } from "./event-recorder.ts";
import { managerMetrics } from "./metrics.ts";
import { observingClient } from "./observing-client.ts";
import { ReconcileLoop } from "./reconcile-loop.ts";
import { isStatusOnlyChange } from "./status-only-change.ts";
import { WatchCache } from "./watch-cache.ts";

export interface ManagerOptions {
  readonly client: Client;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Where metrics go; a registry of its own when absent. */
  readonly metrics?: Registry;
}

export function createManager(options: ManagerOptions): Manager {
  const { logger } = options;
  const clock = options.clock ?? realClock;
  const random = options.random ?? Math.random;
  const metrics = managerMetrics(options.metrics ?? new Registry());
  const caches = new Map<string, WatchCache<KubeObject>>();
  const loops: { readonly controller: Controller; readonly loop: ReconcileLoop }[] = [];
  const recorder = new ApiEventRecorder({ client: options.client, logger, clock });
  const client = observingClient(options.client, findCache);
  let startCache: ((cache: WatchCache<KubeObject>) => void) | undefined;

  // The map holds, for each type, the cache of just that type.
  function findCache<T extends KubeObject>(type: ResourceType<T>): WatchCache<T> | undefined {
    return caches.get(idOf(type)) as WatchCache<T> | undefined;
  }

  function cache<T extends KubeObject>(type: ResourceType<T>): WatchCache<T> {
    const found = findCache(type);
    if (found !== undefined) return found;
    const made = new WatchCache(type, { client: options.client, logger, clock, random });
    caches.set(idOf(type), made as unknown as WatchCache<KubeObject>);
    startCache?.(made as unknown as WatchCache<KubeObject>);
    return made;
  }

  function add(controller: Controller): void {
    const loop = new ReconcileLoop(controller, { logger, clock, random, metrics });
    cache(controller.for).onChange((change) => {
      const isEcho =
        change.kind === "set" && change.previous !== undefined && isStatusOnlyChange(change.previous, change.object);
      if (!isEcho) loop.enqueue(requestFor(change.kind === "set" ? change.object : change.previous));
    });
    for (const related of controller.related ?? []) wire(related as unknown as RelatedWatch, loop);
    loops.push({ controller, loop });
  }

  /** Both what the object referred to and what it refers to now are asked to look. */
  function wire(related: RelatedWatch, loop: ReconcileLoop): void {
    const { factsOf } = related;
    cache(related.type).onChange((change) => {
      const { previous } = change;
      const mayBeSame = change.kind === "set" && previous !== undefined && factsOf !== undefined;
      if (mayBeSame && isSameJson(factsOf(previous), factsOf(change.object))) return;
      if (change.previous !== undefined) for (const request of related.requests(change.previous)) loop.enqueue(request);
      if (change.kind === "set") for (const request of related.requests(change.object)) loop.enqueue(request);
    });
  }

  async function run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const running: Promise<void>[] = [];
    startCache = (each) => void running.push(each.run(signal));
    for (const each of caches.values()) startCache(each);
    await Promise.race([Promise.all([...caches.values()].map((each) => each.synced)), aborted(signal)]);
    if (!signal.aborted) {
      running.push(recorder.run(signal));
      for (const { controller, loop } of loops) {
        running.push(loop.run(signal));
        for (const source of controller.sources ?? []) source((request) => loop.enqueue(request), { signal });
      }
      logger.debug({ kinds: caches.size, controllers: loops.length }, "controllers run");
      await aborted(signal);
    }
    await Promise.all(running);
  }

  return { client, recorder, cache, add, run };
}

function idOf(type: ResourceType): string {
  return `${apiVersionOf(type)}/${type.plural}`;
}

function requestFor(object: KubeObject): ReconcileRequest {
  return { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
