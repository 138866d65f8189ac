// Times as statuses write them.

import { formatTime } from "@vivarium/api";

export function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
