// What comes next for a domain that is off: the record of its stop, then what only a domain that is off can be changed in, then its start.
// Pure.

import type { VmDefinition } from "@vivarium/provider";
import { madeDisksOf } from "../applied-disks.ts";
import { isAsDeclared, isPlaced } from "./as-declared.ts";
import { diskStepKey, growthOf } from "./disk-plan.ts";
import type { PlanInput, Seen } from "./input.ts";
import { isRestartUndone, isStopUnrecorded } from "./restart.ts";
import { decidePausedStart, decideRequestsWhileOff, isOnWanted } from "./run-state-plan.ts";
import { blocked, settle } from "./step.ts";
import type { Step } from "./step.ts";

export function decideOff(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  const isOnDeclared = isOnWanted(input.power);
  const isFromMemory = seen.hasSavedMemory === true;
  if (isStopUnrecorded(input)) {
    return { kind: "RecordStop", power: seen.power, reason: isFromMemory ? "saved" : seen.powerReason };
  }
  const asked = decideRequestsWhileOff(input, seen);
  if (asked !== undefined) return asked;
  if (isCrashKept(input, seen)) return settle({ kind: "CrashKept" });
  if (isOnDeclared) {
    const later = startsLater(input);
    if (later !== undefined) return later;
  }
  if (seen.power === "crashed") return { kind: "ForceOff", why: "Crashed" };
  if (isFromMemory) {
    // The guest goes on in the machine that it was saved in: another definition, and its lease, wait until it is really off.
    if (isOnDeclared) return startStep(input, { isFromMemory });
    return settle(input.power === "Suspended" ? { kind: "Suspended" } : { kind: "Stopped", hasSavedMemory: true });
  }
  // An adopted domain stays as it is.
  const definition = input.adopted === undefined ? decideDefinition(input) : undefined;
  if (definition !== undefined) return definition;
  if (!isOnDeclared) return settle({ kind: "Stopped", hasSavedMemory: false });
  // The lease of the last run would pass for an address of this one long before the guest is up.
  const hasLease = input.adopted === undefined && input.record.lastStop !== undefined;
  if (hasLease && !input.done.has("ReleaseLeases")) return { kind: "ReleaseLeases" };
  return startStep(input, { isFromMemory });
}

/** Nothing when the domain is as declared. */
function decideDefinition(input: PlanInput): Step | undefined {
  const { definition, record, provider } = input;
  if (!definition.ok || provider === undefined) return isAsDeclared(input) ? undefined : blocked(definition);
  const growth = growthOf({ record, sizes: input.diskSizes });
  const isChanged = !isPlaced(record, provider, definition.value) || growth.length > 0;
  // Each start defines anew: whatever was done to the domain since, it starts as declared.
  const isDefineDue = record.isDefineDue === true || (isOnWanted(input.power) && !input.done.has("Define"));
  if (!isChanged && !isDefineDue) return undefined;
  return redefine(input, { definition: definition.value, provider, isChanged });
}

/** The domain exists: its root disk and seed stay as they are, new data disks are made. */
function redefine(
  input: PlanInput,
  to: { readonly definition: VmDefinition; readonly provider: string; readonly isChanged: boolean },
): Step {
  const { record, done } = input;
  const { definition, provider, isChanged } = to;
  if (!done.has("Check")) return { kind: "Check", definition };
  if (input.isMacDue) return { kind: "AllocateMacs" };
  const made = madeDisksOf(record);
  const disk = input.dataDisks.find(({ name }) => !made.has(name) && !done.has(`EnsureDataDisk/${name}`));
  if (disk !== undefined) return { kind: "EnsureDataDisk", disk };
  const growth = growthOf({ record, sizes: input.diskSizes }).find((step) => !done.has(diskStepKey(step)));
  if (growth !== undefined) return growth;
  if (isChanged) return { kind: "RecordPlacement", provider, definition };
  return { kind: "Define", definition };
}

function startStep(input: PlanInput, { isFromMemory }: { readonly isFromMemory: boolean }): Step {
  return decidePausedStart(input) ?? { kind: "Start", isPaused: input.power === "Paused", isFromMemory };
}

/** Until the user wants it off, or asks for a restart. */
function isCrashKept(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): boolean {
  const { power, definition } = input;
  const isPreserved = definition.ok && definition.value.onCrash === "preserve";
  return seen.power === "crashed" && isPreserved && isOnWanted(power) && !isRestartUndone(input);
}

export function startsLater({ record, nowMs }: PlanInput): Step | undefined {
  const atMs = record.nextStartMs;
  return atMs === undefined || atMs <= nowMs ? undefined : settle({ kind: "StartsLater", atMs }, atMs);
}
