// What a change of a VMSet would do, before it is made: of its fields, and of its machines in their order. The order is found by asking the
// set's own plan step by step, as if each machine went and came at once. Pure.

import type { VMSet } from "@vivarium/api";
import type { ChangeEffect, FieldChange } from "../virtual-machine/plan/change-plan.ts";
import type { Problem } from "../virtual-machine/plan/input.ts";
import { specChanges } from "../virtual-machine/plan/spec-changes.ts";
import { machineName } from "./vm-set-machines.ts";
import { decideVmSet } from "./vm-set-plan.ts";
import type { Replica, VmSetInput } from "./vm-set-plan.ts";
import { readVmSet } from "./vm-set-input.ts";

export interface SetChange {
  readonly changes: readonly FieldChange[];
  readonly rollout: Rollout;
  /** Why no machine is replaced though the template is another; absent where they are. */
  readonly heldBy?: "paused" | "OnDelete";
}

export interface Rollout {
  /** Machines that are made anew; those of one entry at the same time. */
  readonly replaced: readonly (readonly string[])[];
  /** Wanted machines that stay of an earlier template. */
  readonly kept: readonly string[];
  /** Machines above the wanted number, for as long as it goes on. */
  readonly surge: readonly string[];
  readonly added: readonly string[];
  readonly deleted: readonly string[];
}

/** How a machine made of the new template is judged. */
export interface TemplateVerdict {
  readonly problems: readonly Problem[];
  /** Whether the problem goes by itself when somebody makes what is missing. */
  isWaitedFor(problem: Problem): boolean;
  /** Fields of a VirtualMachine that have no effect here: `spec.placement.folder`. */
  readonly notApplied: readonly string[];
}

export function planSetChange(
  before: VMSet,
  wanted: VMSet,
  { machines, verdict }: { readonly machines: readonly Replica[]; readonly verdict: TemplateVerdict },
): SetChange {
  const reading = readVmSet(wanted);
  const { template: _before, ...setBefore } = before.spec;
  const { template: _wanted, ...setWanted } = wanted.spec;
  const inTemplate = specChanges(before.spec.template, wanted.spec.template, "spec.template");
  const inSet = specChanges(setBefore, setWanted);
  if (!reading.ok) {
    const refused = { path: "spec", effect: "refused", reason: `${reading.reason}: ${reading.message}` } as const;
    const changes = [...inTemplate, ...inSet].map((change): FieldChange => ({ ...change, ...asRefused }));
    return { changes: [...changes, refused], rollout: noRollout };
  }
  const { wish } = reading;
  const problems = verdict.problems.map((problem): FieldChange => {
    const effect: ChangeEffect = verdict.isWaitedFor(problem) ? "unknown" : "refused";
    const stalled = effect === "refused" ? "; what is replaced would not come up, and the rollout stops there" : "";
    return { path: "spec.template", effect, reason: `${problem.reason}: ${problem.message}${stalled}` };
  });
  const isHeld = problems.some(({ effect }) => effect === "refused");
  const changes = [
    ...inTemplate.map((change): FieldChange => {
      const field = change.path.replace(/^spec\.template\./, "");
      const isIdle = verdict.notApplied.some((each) => field.startsWith(each.replace("[]", "[")));
      if (isIdle)
        return { ...change, effect: "none", reason: "it is not supported here; machines are replaced all the same" };
      return isHeld
        ? { ...change, ...asRefused }
        : { ...change, effect: "recreate", reason: "a set does not change its machines, it replaces them" };
    }),
    ...(inTemplate.length === 0 ? [] : problems),
    ...inSet.map((change): FieldChange => ({ ...change, effect: "live", reason: "the set goes by it at once" })),
  ];
  if (isHeld && inTemplate.length > 0) return { changes, rollout: noRollout };
  const [now, next] = ["now", "next"];
  const rollout = foreseeRollout(wanted, {
    ...wish,
    currentRevision: now,
    updateRevision: inTemplate.length === 0 ? now : next,
    // What was being replaced before is replaced by the new one instead.
    machines: machines.map((each) => ({ ...each, revision: now })),
  });
  const heldBy = wish.isPaused ? "paused" : wish.strategy === "OnDelete" ? "OnDelete" : undefined;
  return { changes, rollout, ...(heldBy === undefined || inTemplate.length === 0 ? {} : { heldBy }) };
}

const asRefused = { effect: "refused", reason: "it cannot be carried out, see below" } as const;

const noRollout: Rollout = { replaced: [], kept: [], surge: [], added: [], deleted: [] };

/** As if what is made were available, and what is deleted gone, before the plan is asked again. */
export function foreseeRollout(set: VMSet, input: VmSetInput): Rollout {
  const replaced: string[][] = [];
  const [surge, added, deleted]: [string[], string[], string[]] = [[], [], []];
  const isWanted = (ordinal: number): boolean => ordinal >= input.start && ordinal < input.start + input.replicas;
  const before = new Set(input.machines.map(({ ordinal }) => ordinal));
  let machines: readonly Replica[] = input.machines
    .filter((each) => !each.isTerminating)
    .map((each) => ({ ...each, isAvailable: true, isBroken: false }));
  // One step for each that comes and each that goes is more than it can take.
  for (let left = 4 * (machines.length + input.replicas + input.limits.maxSurge) + 4; left > 0; left -= 1) {
    const { create, remove } = decideVmSet({ ...input, machines });
    if (create.length === 0 && remove.length === 0) break;
    const gone = new Map(remove.map(({ name, why }) => [name, why]));
    const wave = machines.filter(({ name }) => gone.get(name) === "Updated").map(({ name }) => name);
    if (wave.length > 0) replaced.push(wave.toReversed());
    const leaving = machines.filter(({ name, ordinal }) => gone.has(name) && before.has(ordinal) && !isWanted(ordinal));
    deleted.push(...leaving.map(({ name }) => name).toReversed());
    for (const { ordinal } of create) {
      const name = machineName(set, ordinal);
      if (!isWanted(ordinal)) surge.push(name);
      else if (!before.has(ordinal)) added.push(name);
    }
    const made = create.map(({ ordinal, revision }): Replica => ({
      name: machineName(set, ordinal),
      ordinal,
      revision,
      isAvailable: true,
      isBroken: false,
      isTerminating: false,
    }));
    machines = [...machines.filter(({ name }) => !gone.has(name)), ...made].sort((a, b) => a.ordinal - b.ordinal);
  }
  const kept = machines.filter(({ ordinal, revision }) => isWanted(ordinal) && revision !== input.updateRevision);
  return { replaced, kept: kept.map(({ name }) => name), surge, added, deleted };
}
