// Writes into a migration's status what is so of a move to another host.

import { VMMigration } from "@vivarium/api";
import type { VMMigrationStatus } from "@vivarium/api";
import { writeStatus } from "@vivarium/runtime";
import type { HostMoveParts } from "./host-move-parts.ts";
import type { MoveMode } from "./host-move-plan.ts";
import { moveStatusOf } from "./host-move-status.ts";
import type { MoveNews } from "./host-move-status.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export async function reportHostMove(
  parts: HostMoveParts,
  object: VMMigration,
  {
    signal,
    ...status
  }: {
    readonly news: MoveNews;
    readonly record: MigrationRecord;
    readonly from?: string;
    readonly mode?: MoveMode;
    readonly storage?: NonNullable<VMMigrationStatus["storage"]>;
    readonly downtimeMs?: number;
    readonly signal: AbortSignal;
  },
): Promise<VMMigration> {
  const { host: to = "" } = object.spec.target;
  const next = moveStatusOf(object, { ...status, to, nowMs: parts.clock.now() });
  return writeStatus(parts.manager.client, { type: VMMigration, object, status: next }, { signal });
}
