// `viv server migrate-store`: the objects of the SQLite file into etcd. The file stays as it was, so that going back is starting the
// server without --store etcd.

import { importIntoEtcd, readSqliteSnapshot } from "@vivarium/store";
import { print, tell } from "../output/print.ts";
import { assertNobodyLeads } from "../server/assert-nobody-leads.ts";
import { asBackupFailure } from "../server/backup-failure.ts";
import { withServerLock } from "../server/server-lock.ts";
import { storeChoice, type StoreFlags } from "../server/store-choice.ts";
import { currentStateDir } from "../state-dir.ts";

interface MigrateOptions extends StoreFlags {
  readonly stateDir?: string;
  readonly to: "etcd";
}

export async function migrateStore(options: MigrateOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const choice = storeChoice({ ...options, store: options.to });
  if (choice.kind !== "etcd") return;
  const { objects, digest } = await asBackupFailure(() =>
    withServerLock(stateDir, async () => {
      const snapshot = readSqliteSnapshot(stateDir.database);
      await assertNobodyLeads(choice.options);
      const total = snapshot.items.length;
      const done = await importIntoEtcd(snapshot, {
        connection: choice.options,
        floor: snapshot.revision,
        onProgress: (count) => count % 1_000 === 0 && tell(`${count} of ${total} objects`),
      });
      return { objects: total, digest: done.digest };
    }),
  );
  print(`${objects} objects are in etcd, read back and the same (digest ${digest.slice(0, 16)})`);
  print(`  ${stateDir.database} is as it was; start servers with --store etcd from now on`);
}
