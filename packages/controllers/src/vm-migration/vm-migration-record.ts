// What the controller remembers of a migration across restarts of the server, in its status. Pure.

import type { VMMigration } from "@vivarium/api";
import type { MoveFailure } from "./host-move-plan.ts";
import type { MoveStage } from "./migration-terms.ts";

export interface MigrationRecord {
  readonly stage: MoveStage;
  /** uid of the machine. */
  readonly machine?: string;
  readonly startedAtMs?: number;
  readonly failedAttempts: number;
  readonly failedAtMs?: number;
  readonly failure?: MoveFailure;
  /** To another Provider: the snapshot that is copied, and whether it was taken for that. */
  readonly snapshot?: { readonly name: string; readonly isOurs: boolean };
  /** To another Provider: all disks are there. */
  readonly hasCopied?: true;
  /** The machine was shut down for it. */
  readonly wasShutDown?: true;
}

export function migrationRecordOf({ status }: Pick<VMMigration, "status">): MigrationRecord {
  const stored: Partial<MigrationRecord> = status?.record ?? {};
  return { ...stored, stage: stored.stage ?? "new", failedAttempts: stored.failedAttempts ?? 0 };
}
