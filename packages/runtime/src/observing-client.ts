// A client whose writes are in the caches when they return, so that a reconcile right after a write does not act on the old copy.

import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Cache } from "./controller.ts";

export type FindCache = <T extends KubeObject>(type: ResourceType<T>) => Cache<T> | undefined;

export function observingClient(client: Client, findCache: FindCache): Client {
  async function observed<T extends KubeObject>(
    type: ResourceType<T>,
    written: Promise<T>,
    options: { readonly dryRun?: boolean } | undefined,
  ): Promise<T> {
    const object = await written;
    if (options?.dryRun !== true) findCache(type)?.observe(object);
    return object;
  }
  return {
    get: (type, key, options) => client.get(type, key, options),
    list: (type, options) => client.list(type, options),
    watch: (type, options) => client.watch(type, options),
    create: (type, object, options) => observed(type, client.create(type, object, options), options),
    update: (type, object, options) => observed(type, client.update(type, object, options), options),
    updateStatus: (type, object, options) => observed(type, client.updateStatus(type, object, options), options),
    mergePatch: (type, key, patch, options) => observed(type, client.mergePatch(type, key, patch, options), options),
    delete: (type, key, options) => client.delete(type, key, options),
  };
}
