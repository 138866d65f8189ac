// What a change of a spec would do to a machine, field by field, before it is made. The judges are those of the controller: the same input,
// asked with the spec as it would be. Pure.

import type { VirtualMachine } from "@vivarium/api";
import type { VmDefinition } from "@vivarium/provider";
import { changedNics } from "../applied-nics.ts";
import { changedFields } from "../applied.ts";
import { decideRunningDisks, growthOf, shrinkageOf } from "./disk-plan.ts";
import type { PlanInput, Problem, Seen } from "./input.ts";
import { pendingFields } from "./pending-fields.ts";
import { isMissing } from "./as-declared.ts";
import { decideRunningSize } from "./size-plan.ts";
import { specChanges } from "./spec-changes.ts";
import type { SpecChange } from "./spec-changes.ts";
import { stepKey } from "./step.ts";
import type { Step } from "./step.ts";

/**
 * `live`: while it runs, or at once where it is off. `restart`: when it is next off. `recreate`: only in a machine that is made anew.
 * `refused`: not at all. `none`: kept, and of no effect. `unknown`: the hypervisor cannot be asked now.
 */
export type ChangeEffect = "live" | "restart" | "recreate" | "refused" | "none" | "unknown";

export interface FieldChange extends SpecChange {
  readonly effect: ChangeEffect;
  readonly reason: string;
}

type Judgement = Pick<FieldChange, "effect" | "reason">;
type Present = Extract<Seen, { kind: "present" }>;

/** `after`: what the controller would be given. */
export function planChange(
  before: VirtualMachine["spec"],
  wanted: VirtualMachine["spec"],
  { after, notApplied }: { readonly after: PlanInput; readonly notApplied: readonly string[] },
): readonly FieldChange[] {
  const judge = judgeOf(after, notApplied);
  const changes = specChanges(before, wanted).map((change) => ({ ...change, ...judge(change) }));
  return [...changes, ...problemsOf(after), ...ofTheClass(after, changes)];
}

/** What cannot be as it is declared at all. */
function problemsOf({ definition }: PlanInput): readonly FieldChange[] {
  if (definition.ok) return [];
  return definition.problems.map((problem) => ({
    path: "spec",
    effect: isWaitedFor(problem) ? "unknown" : "refused",
    reason: `${problem.reason}: ${problem.message}`,
  }));
}

/** What follows from another class, or from what its class says now, and is no field of the spec. */
function ofTheClass(after: PlanInput, changes: readonly SpecChange[]): readonly FieldChange[] {
  const { definition, record, seen } = after;
  if (!definition.ok || record.applied === undefined || after.adopted !== undefined) return [];
  const said = new Set(changes.flatMap(({ path }) => definitionFieldOf(path) ?? []));
  const judge = sizeJudge(after);
  return changedFields(record.applied, definition.value)
    .filter((field) => !said.has(field) && field !== "disks" && field !== "networks")
    .map((field) => ({
      path: `class: ${field}`,
      ...(record.applied?.fields[field] === undefined ? {} : { from: record.applied.fields[field] }),
      ...(seen.kind === "present" ? judge(field) : { effect: "unknown" as const, reason: notSeen }),
    }));
}

const notSeen = "the hypervisor cannot be asked now";

/** As `changedFields` has them. */
function definitionFieldOf(path: string): string | undefined {
  switch (path) {
    case "spec.resources.cpu":
      return "cpu";
    case "spec.resources.memoryMiB":
      return "memory";
    case "spec.lifecycle.crashPolicy":
      return "crashPolicy";
    case "spec.startOnBoot":
      return "startOnBoot";
    default:
      return undefined;
  }
}

function judgeOf(after: PlanInput, notApplied: readonly string[]): (change: SpecChange) => Judgement {
  return (change) => {
    const { path } = change;
    const known = byPath(path);
    if (notApplied.some((field) => path.startsWith(field.replace("[]", "[")))) return none("it is not supported here");
    if (after.adopted !== undefined && !path.startsWith("spec.powerState")) {
      return known ?? none("the domain was adopted and stays as it was found: only its power follows the spec");
    }
    if (after.record.applied === undefined) return live("the machine is not made yet");
    if (known !== undefined) return known;
    if (after.seen.kind === "unavailable") return { effect: "unknown", reason: notSeen };
    if (!after.definition.ok) return after.definition.problems.every(isWaitedFor) ? unresolved : refused;
    const shrunk = shrinkageOf({ record: after.record, sizes: after.diskSizes });
    const disk = /^spec\.disks\[([^\]]+)\](?:\.(.*))?$/.exec(path);
    if (disk !== null && shrunk.includes(disk[1] ?? "")) return { effect: "refused", reason: "a disk does not shrink" };
    if (after.seen.kind !== "present" || after.seen.power === "off") return live("the machine is off");
    if (disk !== null) return diskJudgement(after, after.seen, { name: disk[1] ?? "", field: disk[2] });
    const nic = /^spec\.networks\[([^\]]+)\](?:\.(.*))?$/.exec(path);
    if (nic !== null || path === "spec.networks") return nicJudgement(after, nic?.[1]);
    const field = definitionFieldOf(path);
    return field === undefined ? live("at once") : sizeJudge(after)(field);
  };
}

/** Those whose effect does not depend on the machine. */
function byPath(path: string): Judgement | undefined {
  const firstBoot = "the guest reads it at its first boot only";
  if (/^spec\.(imageRef|importedDisk|roleRef|onMissingRoleImage)(\.|$)/.test(path))
    return recreate("the root disk is made from it once");
  if (/^spec\.(userData|metaData)(\.|$)/.test(path)) return recreate(firstBoot);
  if (/^spec\.networks\[[^\]]+\]\.(ipAddress|prefix|gateway|ipv6\w+|dns|routes)/.test(path)) return recreate(firstBoot);
  if (/^spec\.disks\[[^\]]+\]\.type$/.test(path)) return recreate("space is set aside when the disk is made");
  if (/^spec\.disks\[[^\]]+\]\.expandPolicy$/.test(path)) return live("at once");
  if (/^spec\.placement(Ref)?(\.|$)/.test(path)) return recreate("its place is chosen when it is made");
  if (path === "spec.powerState") return live("its power follows");
  if (/^spec\.snapshot(\.|$)/.test(path)) return live("it goes back to the snapshot, and is stopped for that");
  // What the machine is in the end is judged by its definition.
  if (/^spec\.classRef(\.|$)/.test(path)) return live("what differs is told below");
  return undefined;
}

/** Fields of the definition, of a machine that is there. */
function sizeJudge(after: PlanInput): (field: string) => Judgement {
  const { seen, definition, record } = after;
  if (!definition.ok || seen.kind !== "present") return () => ({ effect: "unknown", reason: notSeen });
  if (seen.power === "off") return () => live("the machine is off");
  const steps = sizeSteps(after, seen, definition.value);
  const wanted = { record, definition: definition.value, sizes: [], canGrowOnline: true };
  const pending = new Map(pendingFields(wanted, seen).map((each) => [each.field, each.reason]));
  return (field) => {
    if (field === "cpu" && steps.has("AddCpus")) return live("CPUs are added while it runs");
    if (field === "memory" && steps.has("SetMemory")) return live("memory is moved while it runs");
    if (field === "startOnBoot" && steps.has("SetStartOnBoot")) return live("set while it runs");
    if (!pending.has(field)) return live("the running machine has it");
    return restart(pending.get(field) ?? "only a machine that is off can be changed in it");
  };
}

/** Steps that the controller would take on the size of the running machine. */
function sizeSteps(after: PlanInput, seen: Present, definition: VmDefinition): ReadonlySet<string> {
  const { sizing, record, nowMs } = after;
  if (sizing === undefined) return new Set();
  return stepsOf((done) => {
    const decision = decideRunningSize({ nowMs, record, definition, done, ...sizing }, seen);
    return decision.kind === "wait" || decision.kind === "RecordSize" ? undefined : decision;
  });
}

function diskJudgement(
  after: PlanInput,
  seen: Present,
  { name, field }: { readonly name: string; readonly field: string | undefined },
): Judgement {
  const { hotDisks, record, definition, dataDisks, diskSizes, nowMs } = after;
  if (hotDisks === undefined || !definition.ok) return restart("this hypervisor changes no disk of a running machine");
  const { disks } = definition.value;
  const steps = stepsOf((done) => {
    const input = { nowMs, record, disks, dataDisks, sizes: diskSizes, done, ...hotDisks };
    const decision = decideRunningDisks(input, seen);
    return decision.kind === "wait" || decision.kind === "RecordDisks" ? undefined : decision;
  });
  if (field === undefined) {
    if (steps.has(`AttachDisk/${name}`)) return live("it is plugged in while the machine runs");
    if (steps.has(`RequestDetach/${name}`)) return live("the guest is asked to let go of it");
  }
  if (field === "sizeGiB") {
    if (steps.has(`GrowDisk/${name}`)) return live("it grows while the machine runs");
    if (growthOf({ record, sizes: diskSizes }).some((step) => step.name === name)) {
      return restart("its expandPolicy is Offline");
    }
    return live("it is as large already");
  }
  if (field?.startsWith("limits") === true) return live("limits are changed while the machine runs");
  return restart("how the guest sees a disk is settled at its start");
}

function nicJudgement({ hotNics, record, definition }: PlanInput, name: string | undefined): Judgement {
  if (hotNics === undefined || !definition.ok)
    return restart("this hypervisor changes no interface of a running machine");
  const nic = definition.value.networks.find((each) => each.name === name);
  const cold = nic === undefined ? [] : changedNics(record, nic);
  if (cold.length > 0) return restart(`the network has another ${cold.join(" and ")}`);
  return live("interfaces are plugged and changed while the machine runs");
}

/** The keys of all steps that a decider would take, one after the other. */
function stepsOf(next: (done: ReadonlySet<string>) => Step | undefined): ReadonlySet<string> {
  const done = new Set<string>();
  for (let step = next(done); step !== undefined && !done.has(stepKey(step)); step = next(done))
    done.add(stepKey(step));
  return done;
}

function isWaitedFor({ reason }: Problem): boolean {
  return isMissing[reason];
}

const refused: Judgement = { effect: "refused", reason: "the spec cannot be carried out, see below" };
const unresolved: Judgement = { effect: "unknown", reason: "what the spec names is not there, see below" };

function live(reason: string): Judgement {
  return { effect: "live", reason };
}

function restart(reason: string): Judgement {
  return { effect: "restart", reason };
}

function recreate(reason: string): Judgement {
  return { effect: "recreate", reason };
}

function none(reason: string): Judgement {
  return { effect: "none", reason };
}
