// Where objects live: a store with etcd's semantics. One revision counts all changes; a write names the revision it was based on; a
// watch goes on from any revision that is not compacted. Implementations: memory (tests), SQLite (the embedded default) and etcd (several
// servers over one cluster), whose client is loaded only where it is used.

export type {
  DeleteResult,
  KeyValue,
  ListOptions,
  ListPage,
  PutResult,
  Store,
  StoreEvent,
  Watch,
  WriteCondition,
} from "./store.ts";
export { CompactedError, StoreError } from "./store-error.ts";
export type { RetentionOptions } from "./retention.ts";
export { openMemoryStore } from "./memory-store.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./sqlite/sqlite-store.ts";
export { BackupError, type BackupErrorCode } from "./backup/backup-error.ts";
export { readBackup, writeBackup, type BackupManifest } from "./backup/backup-file.ts";
export { readSnapshot, type Snapshot } from "./backup/snapshot.ts";
export { readSqliteSnapshot, writeSqliteSnapshot } from "./sqlite/sqlite-snapshot.ts";
export type { EtcdStoreOptions } from "./etcd/etcd-store.ts";
export type { ImportOptions } from "./etcd/etcd-import.ts";
export { importIntoEtcd, openEtcdStore } from "./etcd/open-etcd-store.ts";
// For tests: a real etcd of their own.
export { EtcdServer, whyNoEtcd } from "./etcd/etcd-server.ts";
