// All objects of one kind, kept up to date by one list and then a watch:
//
//   list ──► watch ──► watch (resumed where the last one ended, or broke, after a pause)
//     ▲        │
//     └── 410 ─┘  too far behind: what is gone meanwhile is deleted here as well
//
// Two streams feed it, the watch and this process's own writes. Versions decide between them, so that it never goes back: a version at or
// below what the watch has reached adds nothing, and an event older than what is held is skipped.

import { copyJson, formatKey, isStatus } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";
import { backoffMs } from "./backoff.ts";
import { ObjectIndex } from "./cache-index.ts";
import type { Clock } from "./clock.ts";
import type { Cache, CacheChange, CacheIndex, ReconcileRequest } from "./controller.ts";
import { deepFreeze } from "./deep-freeze.ts";
import { compareVersions } from "./resource-version.ts";

export interface WatchCacheOptions {
  readonly client: Client;
  readonly logger: Logger;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
}

const backoff = { baseMs: 200, maxMs: 30_000 };
/** A watch that ends sooner, without an event, counts as failed: else a broken server would be asked without pause. */
const shortWatchMs = 1_000;

export class WatchCache<T extends KubeObject> implements Cache<T> {
  readonly #type: ResourceType<T>;
  readonly #options: WatchCacheOptions;
  readonly #objects = new Map<string, T>();
  /** Brought up to date before anybody is told. */
  readonly #indexes: ObjectIndex<T>[] = [];
  readonly #listeners = new Set<(change: CacheChange<T>) => void>();
  readonly #synced = Promise.withResolvers<void>();
  /** Everything up to here has been seen. */
  #version: string | undefined;

  constructor(type: ResourceType<T>, options: WatchCacheOptions) {
    this.#type = type;
    this.#options = options;
  }

  /** Resolves when the first list is in. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get(request: ReconcileRequest): T | undefined {
    return this.#objects.get(keyOf(request));
  }

  list(options: { readonly namespace?: string } = {}): readonly T[] {
    const all = [...this.#objects.values()];
    return options.namespace === undefined ? all : all.filter((o) => o.metadata.namespace === options.namespace);
  }

  index(keysOf: (object: T) => readonly string[]): CacheIndex<T> {
    const index = new ObjectIndex(keysOf);
    for (const [name, object] of this.#objects) index.replace(name, { object });
    this.#indexes.push(index);
    return index;
  }

  onChange(listener: (change: CacheChange<T>) => void): void {
    this.#listeners.add(listener);
  }

  observe(object: T): void {
    const version = object.metadata.resourceVersion;
    if (version === undefined || this.#version === undefined || compareVersions(version, this.#version) <= 0) return;
    const isGone = object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0;
    if (isGone) this.#remove(object);
    else this.#set(copyJson(object));
  }

  /** Never throws: what goes wrong is logged and tried again until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = clock.now();
      try {
        if (this.#version === undefined) await this.#relist(signal);
        const events = await this.#watch(signal);
        failures = events > 0 || clock.now() - startedMs >= shortWatchMs ? 0 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (isStatus(error, "Expired", "Gone")) this.#version = undefined;
        const what = this.#version === undefined ? "list again" : "watch again";
        logger.warn({ err: error, kind: this.#type.kind }, `lost touch with the API server: ${what}`);
      }
      if (failures === 0 || signal.aborted) continue;
      // The signal ends the wait, and with it the loop.
      await clock.delay(backoffMs(failures, { ...backoff, random }), { signal }).catch(() => {});
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.#options.client.list(this.#type, { signal });
    const gone = new Map(this.#objects);
    for (const object of items) {
      gone.delete(keyOfObject(object));
      this.#set(object);
    }
    for (const previous of gone.values()) {
      // Written by us after the list was made: the watch will tell.
      if (compareVersions(versionOf(previous), resourceVersion) <= 0) this.#remove(previous);
    }
    this.#version = resourceVersion;
    this.#synced.resolve();
  }

  /** How many events there were until it ended. */
  async #watch(signal: AbortSignal): Promise<number> {
    let events = 0;
    const watch = this.#options.client.watch(this.#type, { resourceVersion: this.#version ?? "", signal });
    for await (const event of watch) {
      events += 1;
      if (event.type === "BOOKMARK") {
        this.#version = event.resourceVersion;
        continue;
      }
      if (event.type === "DELETED") this.#remove(event.object);
      else this.#set(event.object);
      this.#version = versionOf(event.object);
    }
    return events;
  }

  #set(object: T): void {
    const key = keyOfObject(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined && compareVersions(versionOf(object), versionOf(previous)) <= 0) return;
    // Who owns which field is nothing to a controller, and often as large as the object. A write without it leaves it as it is.
    delete object.metadata.managedFields;
    this.#objects.set(key, deepFreeze(object));
    for (const index of this.#indexes) index.replace(key, { object, ...(previous === undefined ? {} : { previous }) });
    this.#tell({ kind: "set", object, ...(previous === undefined ? {} : { previous }) });
  }

  #remove(object: T): void {
    const key = keyOfObject(object);
    const previous = this.#objects.get(key);
    if (previous === undefined || compareVersions(versionOf(object), versionOf(previous)) < 0) return;
    this.#objects.delete(key);
    for (const index of this.#indexes) index.replace(key, { previous });
    this.#tell({ kind: "deleted", previous });
  }

  #tell(change: CacheChange<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function keyOf(request: ReconcileRequest): string {
  return `${request.namespace}/${request.name}`;
}

function keyOfObject(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

function versionOf(object: KubeObject): string {
  const version = object.metadata.resourceVersion;
  if (version === undefined) throw new TypeError(`The API server sent ${formatKey(object.metadata)} without a version`);
  return version;
}
