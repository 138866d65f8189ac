// One server per state dir. The lock is SQLite's own file lock on an empty database: the kernel releases it with the process, so
// `kill -9` leaves no stale lock, which a pid file alone would.

import { DatabaseSync } from "node:sqlite";
import { readFileSync, rmSync } from "node:fs";
import { CliUserError } from "../cli-error.ts";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

const sqliteBusy = 5;

export interface ServerInfo {
  readonly pid: number;
  /** For example `https://127.0.0.1:7443`. */
  readonly url: string;
  readonly startedAt: string;
}

export interface ServerLock {
  release(): void;
}

/** Undefined when another process holds it for longer than `waitMs`. */
export function takeServerLock(stateDir: StateDir, options: { readonly waitMs?: number } = {}): ServerLock | undefined {
  const database = new DatabaseSync(stateDir.lock, { timeout: options.waitMs ?? 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

/** Does something while no server can run on this state dir. */
export async function withServerLock<T>(stateDir: StateDir, action: () => Promise<T>): Promise<T> {
  const lock = takeServerLock(stateDir, { waitMs: 250 });
  if (lock === undefined) throw serverRuns(stateDir);
  try {
    return await action();
  } finally {
    lock.release();
  }
}

export function serverRuns(stateDir: StateDir): CliUserError {
  const info = readServerInfo(stateDir);
  const who = info === undefined ? "" : ` (pid ${info.pid}, ${info.url})`;
  return new CliUserError(`A server runs on ${stateDir.path} already${who}.`, {
    fix: ["viv server stop", "viv server --state-dir OTHER, for a second one"],
    exit: "conflict",
  });
}

/** Whether a server runs on this state dir now. Holds the lock for a moment itself. */
export function isServerLocked(stateDir: StateDir): boolean {
  const lock = takeServerLock(stateDir);
  lock?.release();
  return lock === undefined;
}

export function writeServerInfo(stateDir: StateDir, info: ServerInfo): void {
  writePrivateFile(stateDir.serverInfo, `${JSON.stringify(info)}\n`);
}

export function removeServerInfo(stateDir: StateDir): void {
  rmSync(stateDir.serverInfo, { force: true });
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
