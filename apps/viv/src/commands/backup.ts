// `viv server backup` and `viv server restore`: all objects in one file and back, whichever store they are in.

import { existsSync, renameSync } from "node:fs";
import {
  importIntoEtcd,
  readBackup,
  readSnapshot,
  readSqliteSnapshot,
  writeBackup,
  writeSqliteSnapshot,
  type BackupManifest,
  type Snapshot,
} from "@vivarium/store";
import { print, tell } from "../output/print.ts";
import { CliUserError } from "../cli-error.ts";
import { assertNobodyLeads } from "../server/assert-nobody-leads.ts";
import { asBackupFailure } from "../server/backup-failure.ts";
import { openStore } from "../server/open-store.ts";
import { withServerLock } from "../server/server-lock.ts";
import { storeChoice, type StoreChoice, type StoreFlags } from "../server/store-choice.ts";
import { currentStateDir, makeStateDir, type StateDir } from "../state-dir.ts";

interface BackupOptions extends StoreFlags {
  readonly stateDir?: string;
}

interface RestoreOptions extends BackupOptions {
  readonly force?: boolean;
}

/**
 * After a restore the store goes on this many revisions later: above all that clients may have seen after the backup was made, as with
 * `etcdutl snapshot restore --bump-revision`.
 */
const revisionBump = 1_000_000_000;

export async function backup(file: string, options: BackupOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const choice = storeChoice(options);
  const manifest = await asBackupFailure(async () =>
    writeBackup(file, await snapshotOf(choice, stateDir), { createdAt: new Date() }),
  );
  print(`${file}: ${counted(manifest)}, at revision ${manifest.revision}, read back and whole`);
}

export async function restore(file: string, options: RestoreOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const choice = storeChoice(options);
  const isForced = options.force ?? false;
  const manifest = await asBackupFailure(async () => {
    const read = await readBackup(file);
    makeStateDir(stateDir);
    await withServerLock(stateDir, async () => {
      switch (choice.kind) {
        case "sqlite":
          restoreSqlite(stateDir, { ...read, isForced });
          return;
        case "etcd":
          await assertNobodyLeads(choice.options);
          await importIntoEtcd(read.snapshot, {
            connection: choice.options,
            floor: read.manifest.revision + revisionBump,
            replaces: isForced,
            onProgress: (done) => done % 1_000 === 0 && tell(`${done} of ${read.manifest.objects} objects`),
          });
          return;
      }
    });
    return read.manifest;
  });
  print(`restored ${counted(manifest)} of ${manifest.createdAt}; watches from before it end with 410 and list again`);
}

function restoreSqlite(
  stateDir: StateDir,
  { snapshot, isForced }: { readonly snapshot: Snapshot; readonly isForced: boolean },
): void {
  const path = stateDir.database;
  const present = existsSync(path) ? presentIn(path, isForced) : undefined;
  if (present !== undefined && present.items.length > 0 && !isForced)
    throw new CliUserError(`There are ${present.items.length} objects in ${path} already.`, {
      fix: ["Add --force: the old file is kept beside the new one."],
      exit: "conflict",
    });
  if (existsSync(path)) {
    const aside = `${path}.before-restore-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
    for (const suffix of ["-wal", ""]) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    tell(`kept what was there as ${aside}`);
  }
  const revision = Math.max(snapshot.revision, present?.revision ?? 0) + revisionBump;
  writeSqliteSnapshot(path, snapshot, { revision });
}

/** Undefined for a file that cannot be read, which may only be replaced by force. */
function presentIn(path: string, isForced: boolean): Snapshot | undefined {
  try {
    return readSqliteSnapshot(path);
  } catch (error) {
    if (isForced) return undefined;
    throw new CliUserError(`${path} is there, but cannot be read.`, {
      fix: ["Add --force: the old file is kept beside the new one."],
      exit: "conflict",
      cause: error,
    });
  }
}

async function snapshotOf(choice: StoreChoice, stateDir: StateDir): Promise<Snapshot> {
  if (choice.kind === "sqlite") return readSqliteSnapshot(stateDir.database);
  const options = { ...choice.options, compactionIntervalMs: 0 };
  const store = await openStore({ kind: "etcd", options }, { stateDir });
  try {
    return await readSnapshot(store);
  } finally {
    await store.close();
  }
}

function counted(manifest: BackupManifest): string {
  const kinds = Object.keys(manifest.kinds).length;
  return `${manifest.objects} objects of ${kinds} kinds`;
}
