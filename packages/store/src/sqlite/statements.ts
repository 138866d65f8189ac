// Every SQL statement of the store, prepared once, with typed rows.

import type { DatabaseSync } from "node:sqlite";
import { endOfPrefix } from "../prefix.ts";
import type { KeyValue, ListOptions, StoreEvent } from "../store.ts";
import { maxBatchBytes, sizeOf, type HistoryBatch } from "../watch-hub.ts";

interface HistoryRow {
  readonly revision: number;
  readonly key: string;
  readonly create_revision: number;
  readonly version: number;
  readonly previous_revision: number;
  readonly value: Uint8Array | null;
}

const historyPage = 256;

/** After every key that can be: keys are ASCII. */
const endOfKeys = "\u{10FFFF}";

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  const select = "SELECT h.revision, h.key, h.create_revision, h.version, h.previous_revision, h.value FROM";
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const rollback = database.prepare("ROLLBACK");
  const getState = database.prepare("SELECT value FROM state WHERE name = ?");
  const setState = database.prepare("UPDATE state SET value = ? WHERE name = ?");
  const readCurrent = database.prepare(`${select} current c JOIN history h ON h.revision = c.revision ORDER BY c.key`);
  const getRevision = database.prepare(`${select} history h WHERE h.revision = ?`);
  const insertHistory = database.prepare("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)");
  const setCurrent = database.prepare(
    "INSERT INTO current VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision",
  );
  const deleteCurrent = database.prepare("DELETE FROM current WHERE key = ?");
  const listAt = database.prepare(
    `${select} (SELECT key, max(revision) AS revision FROM history
       WHERE key >= ? AND key < ? AND key > ? AND revision <= ? GROUP BY key) n
     JOIN history h ON h.revision = n.revision WHERE h.version > 0 ORDER BY h.key LIMIT ?`,
  );
  const readHistory = database.prepare(
    `${select} history h WHERE h.revision BETWEEN ? AND ? AND h.key >= ? AND h.key < ? ORDER BY h.revision LIMIT ?`,
  );
  const dropSuperseded = database.prepare(
    `DELETE FROM history WHERE revision IN
       (SELECT previous_revision FROM history WHERE revision > ? AND revision <= ? AND previous_revision > 0)`,
  );
  const dropDeletions = database.prepare("DELETE FROM history WHERE revision > ? AND revision <= ? AND version = 0");

  function previousOf(row: HistoryRow): KeyValue | undefined {
    if (row.previous_revision === 0) return undefined;
    const previous = getRevision.get(row.previous_revision);
    return previous === undefined ? undefined : toKeyValue(previous as unknown as HistoryRow);
  }

  function readPage(from: number, to: number, prefix: string, end: string): StoreEvent[] {
    const events: StoreEvent[] = [];
    let bytes = 0;
    for (const row of readHistory.iterate(from, to, prefix, end, historyPage)) {
      const found = row as unknown as HistoryRow;
      const event = toEvent(found, previousOf(found));
      events.push(event);
      bytes += sizeOf(event);
      if (bytes >= maxBatchBytes) break;
    }
    return events;
  }

  return {
    begin: () => void begin.run(),
    commit: () => void commit.run(),
    rollback: () => void rollback.run(),
    getState: (name: "revision" | "compacted") => Number(getState.get(name)?.["value"]),
    setState: (name: "revision" | "compacted", value: number) => void setState.run(value, name),
    *readCurrent(): Generator<KeyValue> {
      for (const row of readCurrent.iterate()) yield toKeyValue(row as unknown as HistoryRow);
    },
    insertPut(kv: KeyValue, previousRevision: number): void {
      insertHistory.run(kv.modRevision, kv.key, kv.createRevision, kv.version, previousRevision, kv.value);
      setCurrent.run(kv.key, kv.modRevision);
    },
    insertDelete(revision: number, previous: KeyValue): void {
      insertHistory.run(revision, previous.key, previous.createRevision, 0, previous.modRevision, null);
      deleteCurrent.run(previous.key);
    },
    listAt(prefix: string, options: ListOptions & { readonly revision: number }): KeyValue[] {
      const { startAfter = "", limit = -1, revision } = options;
      const rows = listAt.all(prefix, endOfPrefix(prefix) ?? endOfKeys, startAfter, revision, limit);
      return rows.map((row) => toKeyValue(row as unknown as HistoryRow));
    },
    /** Page by page, each read when it is asked for. */
    *readHistory(prefix: string, range: { from: number; to: number }): Generator<HistoryBatch> {
      const end = endOfPrefix(prefix) ?? endOfKeys;
      for (let from = range.from; from <= range.to;) {
        const events = readPage(from, range.to, prefix, end);
        const through = events.at(-1)?.revision ?? range.to;
        yield { events, through };
        from = through + 1;
      }
    },
    /** Removes what was superseded by changes after `from` up to `to`; what was superseded before must be gone. */
    dropHistory(from: number, to: number): void {
      dropSuperseded.run(from, to);
      dropDeletions.run(from, to);
      setState.run(to, "compacted");
    },
  };
}

function toKeyValue(row: HistoryRow): KeyValue {
  return {
    key: row.key,
    value: row.value ?? new Uint8Array(),
    createRevision: row.create_revision,
    modRevision: row.revision,
    version: row.version,
  };
}

function toEvent(row: HistoryRow, previous: KeyValue | undefined): StoreEvent {
  const { revision, key } = row;
  if (row.version > 0)
    return { type: "put", revision, key, current: toKeyValue(row), ...(previous !== undefined && { previous }) };
  // A deletion after the compacted revision always has its previous row: compaction removes both or neither.
  if (previous === undefined) throw new Error(`history row ${revision} has lost its previous row`);
  return { type: "delete", revision, key, previous };
}
