// The tables. `history` has one row per change, so that the revision is the row id and appends go to the end of one tree;
// `current` is the index of what exists now. Rows of `history` are never updated; compaction removes them.

import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../store-error.ts";

/** "VIVS": marks the file as a store of ours. */
const applicationId = 0x56495653;
const schemaVersion = 1;

const tables = `
  CREATE TABLE history (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,            -- 0: the key was deleted
    previous_revision INTEGER NOT NULL,  -- of the same key; 0: it did not exist
    value BLOB
  ) STRICT;
  CREATE INDEX history_by_key ON history (key, revision);
  CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO state VALUES ('revision', 0), ('compacted', 0);
`;

/** Opens the file, making it when it is not there. Durable: WAL with an fsync for each commit. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    database.exec("PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;");
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error instanceof StoreError
      ? error
      : new StoreError("corrupt", `Cannot open the store ${path}: ${String(error)}`, { cause: error });
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const found = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  if (found === applicationId && version === schemaVersion) return;
  const isEmpty = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] === 0;
  if (!isEmpty || found !== 0) {
    throw new StoreError(
      "corrupt",
      `Cannot open the store ${path}: found application id ${found} with schema version ${version}, expected ${applicationId} with ${schemaVersion}`,
    );
  }
  database.exec(
    `BEGIN IMMEDIATE; ${tables} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT;`,
  );
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
