// What conditions are made of.

import type { Condition, KubeObject } from "@vivarium/api";

export type Verdict = Pick<Condition, "status" | "reason" | "message">;

/** Of which generation a status or a condition speaks. */
export function observedGenerationOf({ metadata }: KubeObject): { readonly observedGeneration?: number } {
  const { generation } = metadata;
  return generation === undefined ? {} : { observedGeneration: generation };
}
