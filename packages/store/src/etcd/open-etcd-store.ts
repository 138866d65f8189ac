// Loads the etcd client when a server wants it: who keeps SQLite does not pay for it at start.

import type { Store } from "../store.ts";
import type { EtcdStoreOptions } from "./etcd-store.ts";

export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const loaded = await import("./etcd-store.ts");
  return loaded.openEtcdStore(options);
}
