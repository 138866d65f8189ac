// Opens the store that was chosen, and says what is wrong in words that help when that fails.

import { openEtcdStore, openSqliteStore, StoreError, type Store } from "@vivarium/store";
import type { Logger } from "pino";
import { CliUserError } from "../cli-error.ts";
import type { StateDir } from "../state-dir.ts";
import type { StoreChoice } from "./store-choice.ts";

export async function openStore(
  choice: StoreChoice,
  { stateDir, logger }: { readonly stateDir: StateDir; readonly logger?: Logger },
): Promise<Store> {
  switch (choice.kind) {
    case "sqlite":
      return openSqliteStore({ path: stateDir.database });
    case "etcd":
      try {
        return await openEtcdStore({
          ...choice.options,
          onLost: (error) => logger?.warn({ err: error }, "lost etcd, trying again"),
        });
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        throw new CliUserError(error.message, {
          fix: ["Look at --etcd-endpoints, --etcd-ca, --etcd-cert, --etcd-key and --etcd-user."],
          exit: "unreachable",
          cause: error,
        });
      }
  }
}
