// What the user is told when a backup, a restore or a move between stores is refused.

import { BackupError, StoreError } from "@vivarium/store";
import { CliUserError } from "../cli-error.ts";

export async function asBackupFailure<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof BackupError) throw toUserError(error);
    if (error instanceof StoreError) throw new CliUserError(error.message, { cause: error });
    if (error instanceof Error && "syscall" in error) throw new CliUserError(error.message, { cause: error });
    throw error;
  }
}

function toUserError(error: BackupError): CliUserError {
  switch (error.code) {
    case "damaged":
    case "not-a-backup":
      return new CliUserError(error.message, { fix: ["Use another backup."], exit: "invalid", cause: error });
    case "not-empty":
    case "other-source":
      return new CliUserError(error.message, {
        fix: ["Use another --etcd-prefix, or add --force to delete them."],
        exit: "conflict",
        cause: error,
      });
  }
}
