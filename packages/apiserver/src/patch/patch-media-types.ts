// The media types in which a kind takes patches of its objects.

import type { Strategy } from "../strategies/strategy.ts";

/** Server-side apply. */
export const applyMediaType = "application/apply-patch+yaml";

export function patchMediaTypes({ takesStrategicMerge }: Pick<Strategy, "takesStrategicMerge">): readonly string[] {
  const types = ["application/json-patch+json", "application/merge-patch+json", applyMediaType];
  return takesStrategicMerge ? [...types, "application/strategic-merge-patch+json"] : types;
}
