// One server per state dir. The lock is SQLite's own file lock on an empty database: the kernel releases it with the process, so
// `kill -9` leaves no stale lock, which a pid file alone would.

import { DatabaseSync } from "node:sqlite";
import { readFileSync, rmSync } from "node:fs";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

export interface ServerInfo {
  readonly pid: number;
  /** For example `https://127.0.0.1:7443`. */
  readonly url: string;
  readonly startedAt: string;
}

export interface ServerLock {
  release(): void;
}

/** Undefined when another process holds it. */
export function takeServerLock(stateDir: StateDir): ServerLock | undefined {
  const database = new DatabaseSync(stateDir.lock, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    // SQLITE_BUSY; anything else (no permission, not a database) is no lock of another server.
    if ((error as { errcode?: number }).errcode === 5) return undefined;
    throw error;
  }
  return {
    release: () => {
      rmSync(stateDir.serverInfo, { force: true });
      database.close();
    },
  };
}

/** Whether a server runs on this state dir now. */
export function isServerLocked(stateDir: StateDir): boolean {
  const lock = takeServerLock(stateDir);
  if (lock === undefined) return true;
  lock.release();
  return false;
}

export function writeServerInfo(stateDir: StateDir, info: ServerInfo): void {
  writePrivateFile(stateDir.serverInfo, `${JSON.stringify(info)}\n`);
}

/** What the newest server wrote; undefined when there was none. It may have been killed since. */
export function readServerInfo(stateDir: StateDir): ServerInfo | undefined {
  try {
    return JSON.parse(readFileSync(stateDir.serverInfo, "utf8")) as ServerInfo;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
