// Which builds may run now: at most so many at once, the more urgent first, and never two of one layer. Pure.

export interface QueuedBuild {
  /** namespace/name. */
  readonly key: string;
  readonly priority: number;
  readonly createdAt: string;
  /** Provider and digest: builds that have it in common make the same layer. Absent while that is not known. */
  readonly layer?: string;
  /** `blocked`: it waits for something else, and stands in nobody's way. */
  readonly state: "running" | "waiting" | "blocked";
}

export type QueuePlace =
  | { readonly kind: "admitted" }
  /** Another build makes this very layer, or will before. */
  | { readonly kind: "duplicate"; readonly of: string }
  /** From 1. */
  | { readonly kind: "queued"; readonly position: number };

export function placeInQueue(
  builds: readonly QueuedBuild[],
  { key, mostAtOnce }: { readonly key: string; readonly mostAtOnce: number },
): QueuePlace {
  const running = builds.filter(({ state }) => state === "running");
  if (running.some((build) => build.key === key)) return { kind: "admitted" };
  const waiting = builds.filter(({ state }) => state === "waiting").toSorted(byUrgency);
  const layers = new Map(running.flatMap(({ layer, key: by }) => (layer === undefined ? [] : [[layer, by] as const])));
  let free = mostAtOnce - running.length;
  let position = 1;
  for (const build of waiting) {
    const first = build.layer === undefined ? undefined : layers.get(build.layer);
    if (first !== undefined) {
      if (build.key === key) return { kind: "duplicate", of: first };
      continue;
    }
    if (build.layer !== undefined) layers.set(build.layer, build.key);
    const isAdmitted = free > 0;
    free -= 1;
    if (build.key === key) return isAdmitted ? { kind: "admitted" } : { kind: "queued", position };
    if (!isAdmitted) position += 1;
  }
  return { kind: "queued", position };
}

function byUrgency(one: QueuedBuild, other: QueuedBuild): number {
  if (one.priority !== other.priority) return other.priority - one.priority;
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt ? -1 : 1;
  return one.key < other.key ? -1 : 1;
}
