// Conditions as Kubernetes keeps them: one per type, and a time that moves only when the status does.

import type { Condition } from "./meta.ts";

/** A list with this condition in it, in the place of the one of its type. The given list is not changed. */
export function setCondition(
  list: readonly Condition[] | undefined,
  condition: Omit<Condition, "lastTransitionTime">,
  options: { readonly now: Date },
): Condition[] {
  const conditions = list ?? [];
  const old = findCondition(conditions, condition.type);
  const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : formatTime(options.now);
  const next = { ...condition, lastTransitionTime };
  return old === undefined ? [...conditions, next] : conditions.map((each) => (each === old ? next : each));
}

export function findCondition(list: readonly Condition[] | undefined, type: string): Condition | undefined {
  return list?.find((condition) => condition.type === type);
}

/** RFC 3339 in UTC with whole seconds, as metav1.Time. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
