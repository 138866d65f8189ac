// The VirtualMachine policy: from what is declared, remembered and seen, the ONE step that comes next. Pure; each step is safe to
// repeat after a crash at any point.
//
//   absent ──Check, AllocateMacs, RecordPlacement, EnsureRootDisk, EnsureDataDisk…, WriteSeed, Define──► off ──Check, Define, Start──► running
//      ▲                                                                                 ▲                               │
//      └──────────── Undefine, RemoveVolumes, ReleaseLeases, RemoveFinalizer ◄── ForceOff┴── RequestShutdown, ForceOff ◄─┘
//
// The domain's existence is the commit record of disks and seed: while it is absent they are made (again), afterwards they are
// left alone. "Could not look" leads to no step at all.

import type { Placement } from "../../placement/model.ts";
import { summaryOf } from "../../placement/summary.ts";
import { isPlaced } from "./as-declared.ts";
import { decideDelete } from "./delete-plan.ts";
import type { BuildPlan, PlanInput, Problem, Seen } from "./input.ts";
import { decideOff, startsLater } from "./off-plan.ts";
import { decideOn } from "./on-plan.ts";
import { isStopUnrecorded } from "./restart.ts";
import { decideRevert } from "./revert-plan.ts";
import { blocked, settle } from "./step.ts";
import type { Step } from "./step.ts";

export const foreignLookMs = 30_000;

export function decide(input: PlanInput): Step {
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  switch (input.seen.kind) {
    case "unavailable":
      return input.provider === undefined
        ? blocked(input.definition, input.build)
        : settle({ kind: "Unavailable", error: input.seen.error });
    case "foreign": {
      const { domain, reason } = input.seen;
      return settle({ kind: "NameConflict", domain, reason }, input.nowMs + foreignLookMs);
    }
    case "unbound": {
      const { domain } = input.seen;
      return settle({ kind: "NameConflict", domain, reason: "it is not adopted" }, input.nowMs + foreignLookMs);
    }
    case "absent":
      return decideAbsent(input);
    case "present":
      return decidePresent(input, input.seen);
  }
}

function decideAbsent(input: PlanInput): Step {
  const { record, definition, build } = input;
  if (isStopUnrecorded(input)) return { kind: "RecordStop", power: "absent", reason: "undefined" };
  const later = startsLater(input);
  if (later !== undefined) return later;
  if (input.provider === undefined || !definition.ok) return blocked(definition, build);
  if (input.hostChoice !== undefined) return bindHost(input.hostChoice);
  if (!build.ok && build.problems.some((problem) => !isImageProgress(problem))) {
    return settle({ kind: "Blocked", problems: build.problems });
  }
  if (!input.done.has("Check")) return { kind: "Check", definition: definition.value };
  if (!build.ok) return settle({ kind: "Blocked", problems: build.problems });
  if (input.isMacDue) return { kind: "AllocateMacs" };
  if (!isPlaced(record, input.provider, definition.value)) {
    return { kind: "RecordPlacement", provider: input.provider, definition: definition.value };
  }
  const { root } = build.value;
  if ("cloned" in root && !root.cloned.ok) return settle({ kind: "Blocked", problems: root.cloned.problems });
  if (!("cloned" in root) && !input.done.has("EnsureRootDisk")) return { kind: "EnsureRootDisk", disk: root };
  const disk = input.dataDisks.find(({ name }) => !isThere(root, name) && !input.done.has(`EnsureDataDisk/${name}`));
  if (disk !== undefined) return { kind: "EnsureDataDisk", disk };
  if (!input.done.has("WriteSeed")) return { kind: "WriteSeed", seed: build.value.seed };
  return { kind: "Define", definition: definition.value };
}

export function decidePresent(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  // Before the revert that stopped it is forgotten.
  const isStopDue = (seen.power === "off" || seen.power === "crashed") && isStopUnrecorded(input);
  const revert = isStopDue ? undefined : decideRevert(input);
  if (revert !== undefined)
    return revert.kind === "blocked" ? settle({ kind: "Blocked", problems: revert.problems }) : revert;
  switch (seen.power) {
    case "off":
    case "crashed":
      return decideOff(input, seen);
    case "running":
    case "paused":
    case "suspended":
    case "shutting-down":
      return decideOn(input, seen);
  }
}

export function bindHost(choice: Placement): Step {
  if (choice.kind === "chosen") {
    const { host, verdicts } = choice;
    return { kind: "BindHost", host, fitting: verdicts.filter(({ obstacles }) => obstacles.length === 0).length };
  }
  return settle({ kind: "Blocked", problems: [{ reason: "NoHostFits", message: summaryOf(choice) }] });
}

/** A disk that was cloned is not made again: an empty one in its place would be taken for it. */
function isThere(root: BuildPlan["root"], disk: string): boolean {
  return "cloned" in root && root.cloned.ok && root.cloned.value.includes(disk);
}

function isImageProgress({ reason }: Problem): boolean {
  return reason === "ImageNotReady";
}
