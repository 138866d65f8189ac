// A store that tells how long it took.

import type { Store } from "@vivarium/store";
import type { ServerMetrics, StoreOperation } from "./server-metrics.ts";

export function meteredStore(store: Store, metrics: ServerMetrics): Store {
  async function timed<T>(operation: StoreOperation, work: Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      return await work;
    } finally {
      metrics.storeTook(operation, (performance.now() - from) / 1000);
    }
  }
  return {
    revision: () => store.revision(),
    get: (key) => timed("get", store.get(key)),
    list: (prefix, options) => timed("list", store.list(prefix, options)),
    put: (key, value, condition) => timed("put", store.put(key, value, condition)),
    delete: (key, condition) => timed("delete", store.delete(key, condition)),
    watch: (prefix, options) => store.watch(prefix, options),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
}
