// Loads the etcd client when somebody wants it: who keeps SQLite does not pay for it at start.

import type { Snapshot } from "../backup/snapshot.ts";
import type { Store } from "../store.ts";
import type { ImportOptions } from "./etcd-import.ts";
import type { EtcdStoreOptions } from "./etcd-store.ts";

export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const loaded = await import("./etcd-store.ts");
  return loaded.openEtcdStore(options);
}

/** Brings the objects of another store into etcd; resumes an import that was broken off. Throws BackupError. */
export async function importIntoEtcd(snapshot: Snapshot, options: ImportOptions): Promise<{ readonly digest: string }> {
  const loaded = await import("./etcd-import.ts");
  return loaded.importIntoEtcd(snapshot, options);
}
