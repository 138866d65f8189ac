// What the parts of the check share.

import type { CallOptions, MoveObstacle, MoveObstacleReason } from "@vivarium/provider";
import type { MigrationParts } from "./target.ts";

export interface Pair {
  readonly here: MigrationParts;
  readonly there: MigrationParts;
  readonly options: CallOptions | undefined;
}

export function obstacle(reason: MoveObstacleReason, message: string): MoveObstacle {
  return { reason, message };
}

export function inMiB(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
