// Reads a whole SQLite store at one revision, beside a server that goes on writing, and makes a store of what was read.

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inOrder, type Snapshot } from "../backup/snapshot.ts";
import { StoreError } from "../store-error.ts";
import { openDatabase } from "./schema.ts";
import { prepareStatements } from "./statements.ts";

/**
 * The newest state in one read transaction. The server that writes to the file is not held up: what it writes meanwhile lies in the
 * write-ahead log.
 */
export function readSqliteSnapshot(path: string): Snapshot {
  if (!existsSync(path)) throw new StoreError("unavailable", `Cannot read the store ${path}: there is no such file`);
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const sql = prepareStatements(database);
    database.exec("BEGIN");
    const revision = sql.getState("revision");
    return { revision, items: inOrder([...sql.readCurrent()]) };
  } catch (cause) {
    throw new StoreError("corrupt", `Cannot read the store ${path}: ${String(cause)}`, { cause });
  } finally {
    database.close();
  }
}

/**
 * Makes the file anew: objects keep their revisions, and the store goes on at `revision`, with everything before it compacted, so that
 * every watch from before ends with 410 and lists again. The file appears as a whole, at the end.
 */
export function writeSqliteSnapshot(path: string, snapshot: Snapshot, options: { readonly revision: number }): void {
  const partial = `${path}.partial`;
  removeDatabase(partial);
  const database = openDatabase(partial);
  try {
    const sql = prepareStatements(database);
    sql.begin();
    for (const item of snapshot.items) sql.insertPut(item, 0);
    sql.setState("revision", options.revision);
    sql.setState("compacted", options.revision);
    sql.commit();
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
  removeDatabase(path);
  renameSync(partial, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}
