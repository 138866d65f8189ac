// The VMSet policy: from the machines that there are, which to make and which to delete next. Pure.
//
// Machines have numbers. The wanted ones are start … start+replicas-1; surge machines take the numbers behind them while a rollout needs them,
// and go when the wanted ones are up to date. Two limits hold at every step: deleting for a rollout never leaves fewer available machines
// than replicas - maxUnavailable, and never more than replicas + maxSurge machines are made.

/** One machine of the set. */
export interface Replica {
  readonly name: string;
  readonly ordinal: number;
  /** Name of the VMSetRevision that it was made from. */
  readonly revision: string;
  /** Ready for at least `minReadySeconds`. */
  readonly isAvailable: boolean;
  /** Not Ready for so long that it shall be replaced. */
  readonly isBroken: boolean;
  readonly isTerminating: boolean;
}

export interface RolloutLimits {
  readonly maxUnavailable: number;
  readonly maxSurge: number;
  /** Wanted machines below start + partition keep the current revision. */
  readonly partition: number;
}

export interface VmSetInput {
  readonly replicas: number;
  readonly start: number;
  readonly strategy: "RollingUpdate" | "OnDelete" | "Recreate";
  readonly limits: RolloutLimits;
  /** One after the other by number, each only when those before it are available. */
  readonly isOrdered: boolean;
  readonly isPaused: boolean;
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly machines: readonly Replica[];
  /** Broken machines are replaced as long as there are no more than this; undefined: never. */
  readonly maxUnhealthy?: number;
}

export interface VmSetDecision {
  readonly create: readonly { readonly ordinal: number; readonly revision: string }[];
  readonly remove: readonly { readonly name: string; readonly why: RemovalReason }[];
  /** What is waited for, for people; absent when all is as declared. */
  readonly waitingFor?: string;
}

export type RemovalReason = "Scaled" | "Updated" | "SurgeOver" | "Broken";

export function decideVmSet(input: VmSetInput): VmSetDecision {
  const view = viewOf(input);
  const scaled = beyondSurge(view);
  if (input.strategy === "Recreate" && !input.isPaused) {
    const recreated = recreate(view);
    if (recreated !== undefined) return merge(scaled, recreated);
  }
  return merge(scaled, heal(view), rollOn(view), surge(view), fill(view));
}

interface View extends VmSetInput {
  readonly end: number;
  /** Not being deleted, of the wanted numbers, by number. */
  readonly wanted: readonly Replica[];
  readonly byOrdinal: ReadonlyMap<number, Replica>;
  /** Wanted machines that this rollout replaces by itself. */
  readonly outdated: readonly Replica[];
  readonly available: number;
  /** Fewest available machines that a deletion may leave. */
  readonly floor: number;
  targetOf(ordinal: number): string;
}

function viewOf(input: VmSetInput): View {
  const { machines, replicas, start, strategy, limits, isPaused, currentRevision, updateRevision } = input;
  const end = start + replicas;
  const keepsCurrent = (ordinal: number): boolean =>
    isPaused || (strategy === "RollingUpdate" && ordinal < start + limits.partition);
  const living = machines.filter((each) => !each.isTerminating);
  const wanted = living
    .filter(({ ordinal }) => ordinal >= start && ordinal < end)
    .sort((a, b) => a.ordinal - b.ordinal);
  return {
    ...input,
    end,
    wanted,
    byOrdinal: new Map(machines.map((each) => [each.ordinal, each])),
    // What keeps the current revision may be of any: going back to an earlier template is a change of the template, too.
    outdated: wanted.filter(
      ({ ordinal, revision }) => strategy !== "OnDelete" && !keepsCurrent(ordinal) && revision !== updateRevision,
    ),
    // Those that go in any case serve nobody for long.
    available: living.filter(
      ({ ordinal, isAvailable }) => isAvailable && ordinal >= start && ordinal < end + limits.maxSurge,
    ).length,
    floor: Math.max(0, replicas - limits.maxUnavailable),
    targetOf: (ordinal) => (keepsCurrent(ordinal) ? currentRevision : updateRevision),
  };
}

/** Machines whose numbers neither the set nor its surge can use: fewer are wanted than before. */
function beyondSurge({ machines, start, end, limits, isOrdered }: View): Partial<VmSetDecision> {
  const extra = machines
    .filter(({ ordinal }) => ordinal < start || ordinal >= end + limits.maxSurge)
    .sort((a, b) => b.ordinal - a.ordinal);
  const [highest] = extra;
  if (highest === undefined) return {};
  const next = isOrdered ? [highest] : extra;
  return {
    remove: next.filter((each) => !each.isTerminating).map(({ name }) => ({ name, why: "Scaled" })),
    waitingFor: `machine ${highest.name} to be gone: fewer are wanted`,
  };
}

/** All old ones at once, then all new ones. */
function recreate(view: View): Partial<VmSetDecision> | undefined {
  const { outdated, machines, updateRevision } = view;
  const leaving = machines.filter((each) => each.isTerminating && each.revision !== updateRevision);
  if (outdated.length === 0 && leaving.length === 0) return undefined;
  return {
    remove: outdated.map(({ name }) => ({ name, why: "Updated" })),
    waitingFor: `${outdated.length + leaving.length} machines of the earlier template to be gone`,
  };
}

/** Replaces up-to-date machines that stay broken; outdated ones are replaced by the rollout. */
function heal({ wanted, outdated, machines, maxUnhealthy, limits }: View): Partial<VmSetDecision> {
  if (maxUnhealthy === undefined) return {};
  const broken = wanted.filter((each) => each.isBroken);
  if (broken.length === 0) return {};
  if (broken.length > maxUnhealthy) {
    return {
      waitingFor: `${broken.length} machines are broken, more than maxUnhealthy (${maxUnhealthy}): none is replaced, the cause is likely not theirs`,
    };
  }
  const leaving = machines.filter((each) => each.isTerminating).length;
  const room = Math.max(0, Math.max(1, limits.maxUnavailable) - leaving);
  const chosen = broken.filter((each) => !outdated.includes(each)).slice(0, room);
  return { remove: chosen.map(({ name }) => ({ name, why: "Broken" })) };
}

/** Deletes machines of the earlier template, as far as the limits allow; `fill` makes the new ones when they are gone. */
function rollOn(view: View): Partial<VmSetDecision> {
  const { strategy, outdated, available, floor, isOrdered, limits, wanted, replicas } = view;
  if (strategy !== "RollingUpdate" || outdated.length === 0) return {};
  // A set that is still being filled is filled first, with machines of the new template.
  const descending = outdated.toReversed();
  // Those that serve nobody go first: they cost no availability, and may be what the new template mends.
  const idle = descending.filter((each) => !each.isAvailable);
  const serving = descending.filter((each) => each.isAvailable);
  const arriving =
    replicas - wanted.length + wanted.filter((each) => !each.isAvailable && !outdated.includes(each)).length;
  const atOnce = isOrdered ? Math.max(1, limits.maxUnavailable) - arriving : Number.POSITIVE_INFINITY;
  const spare = Math.max(0, available - floor);
  const chosen = [...idle, ...serving.slice(0, spare)].slice(0, Math.max(0, atOnce));
  const remove = chosen.map(({ name }): VmSetDecision["remove"][number] => ({ name, why: "Updated" }));
  return { remove, waitingFor: `${outdated.length} of ${replicas} machines to be replaced` };
}

/** Machines above the wanted number: made while a rollout needs them, deleted when it does not. */
function surge(view: View): Partial<VmSetDecision> {
  const { machines, limits, end } = view;
  const above = machines.filter(({ ordinal }) => ordinal >= end && ordinal < end + limits.maxSurge);
  return view.strategy === "RollingUpdate" && view.outdated.length > 0 ? keepSurge(view, above) : endSurge(view, above);
}

function keepSurge(view: View, above: readonly Replica[]): Partial<VmSetDecision> {
  const { limits, outdated, wanted, replicas, end, updateRevision } = view;
  // One that never came up with an earlier template would hold the place of one that may.
  const stale = above.filter((each) => !each.isTerminating && !each.isAvailable && each.revision !== updateRevision);
  const create: { ordinal: number; revision: string }[] = [];
  // Not before the set is whole: what is missing there is made first.
  const count = wanted.length === replicas ? Math.min(limits.maxSurge, outdated.length) : 0;
  for (let ordinal = end; ordinal < end + count; ordinal += 1) {
    if (!above.some((each) => each.ordinal === ordinal)) create.push({ ordinal, revision: updateRevision });
  }
  return { create, remove: stale.map(({ name }) => ({ name, why: "Updated" })) };
}

function endSurge({ available, floor, wanted, replicas }: View, above: readonly Replica[]): Partial<VmSetDecision> {
  if (above.length === 0) return {};
  let spare = available - floor;
  const remove: { name: string; why: RemovalReason }[] = [];
  for (const each of [...above].sort((a, b) => b.ordinal - a.ordinal)) {
    if (each.isTerminating) continue;
    if (each.isAvailable && spare <= 0) continue;
    if (each.isAvailable) spare -= 1;
    remove.push({ name: each.name, why: wanted.length === replicas ? "SurgeOver" : "Scaled" });
  }
  return { remove, waitingFor: `${above.length} machines above the wanted number to be gone` };
}

/** Makes the machines that are missing. */
function fill(view: View): Partial<VmSetDecision> {
  const { start, end, byOrdinal, isOrdered } = view;
  const create: { ordinal: number; revision: string }[] = [];
  for (let ordinal = start; ordinal < end; ordinal += 1) {
    const machine = byOrdinal.get(ordinal);
    if (machine === undefined) {
      create.push({ ordinal, revision: view.targetOf(ordinal) });
      if (isOrdered) return { create, waitingFor: `machine number ${ordinal} to be made` };
    } else if (machine.isTerminating) {
      if (isOrdered) return { waitingFor: `machine ${machine.name} to be gone` };
    } else if (!machine.isAvailable && isOrdered) {
      return { waitingFor: `machine ${machine.name} to be available` };
    }
  }
  if (create.length > 0) return { create, waitingFor: `${create.length} machines to be made` };
  const late = view.wanted.filter((each) => !each.isAvailable);
  const leaving = view.end - view.start - view.wanted.length;
  if (late.length > 0) return { waitingFor: `${late.map(({ name }) => name).join(", ")} to be available` };
  return leaving > 0 ? { waitingFor: `${leaving} machines to be gone` } : {};
}

function merge(...parts: readonly Partial<VmSetDecision>[]): VmSetDecision {
  const removals = new Map(parts.flatMap((part) => part.remove ?? []).map((each) => [each.name, each]));
  const waitingFor = parts.find((part) => part.waitingFor !== undefined)?.waitingFor;
  return {
    create: parts.flatMap((part) => part.create ?? []),
    remove: [...removals.values()],
    ...(waitingFor === undefined ? {} : { waitingFor }),
  };
}
