// What every migration declares, whichever way it goes, and how far it was. Pure.

import { parseDuration, vmMigrationFinalizer } from "@vivarium/api";
import type { VMMigration } from "@vivarium/api";
import type { MigrationRecord } from "./vm-migration-record.ts";

/** `new`: nothing was begun. `moving`: an attempt was begun, to go from `from`. `ended`: nothing is to be done any more. */
export type MoveStage = "new" | "moving" | "ended";

interface RetryPolicy {
  readonly maxRetries: number;
  readonly delayMs: number;
  readonly multiplier: number;
}

export interface MigrationTerms {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isCancelled: boolean;
  readonly stage: MoveStage;
  readonly retries: RetryPolicy;
  readonly startedAtMs: number;
  readonly timeoutMs: number;
}

export function termsOf({ metadata, spec }: VMMigration, record: MigrationRecord, nowMs: number): MigrationTerms {
  const retry = spec.options?.retryPolicy;
  return {
    nowMs,
    isDeleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(vmMigrationFinalizer) ?? false,
    isCancelled: spec.cancel === true,
    stage: record.stage,
    retries: {
      maxRetries: retry?.maxRetries ?? (retry === undefined ? 0 : 3),
      delayMs: parseDuration(retry?.retryDelay ?? "5m"),
      multiplier: retry?.backoffMultiplier ?? 2,
    },
    startedAtMs: record.startedAtMs ?? nowMs,
    timeoutMs: parseDuration(spec.options?.timeout ?? "4h"),
  };
}
