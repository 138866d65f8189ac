// What comes next for a domain that is on: the end of its run where that is wanted, else what changes while it runs, else its address. Pure.

import { decideRunningDisks } from "./disk-plan.ts";
import type { HotWait } from "./hot-plan.ts";
import type { PlanInput, Seen } from "./input.ts";
import { isAsDeclared } from "./as-declared.ts";
import { decideRunningNics } from "./nic-plan.ts";
import { continuePowerCycle, decidePowerCycle } from "./power-cycle-plan.ts";
import { isRestartWanted } from "./restart.ts";
import { decideRunState, decideSuspend } from "./run-state-plan.ts";
import type { RunStateStep } from "./run-state-plan.ts";
import { decideRunningSize } from "./size-plan.ts";
import { blocked, settle } from "./step.ts";
import type { Situation, Step } from "./step.ts";
import { stopGracefully } from "./shutdown-plan.ts";
import { watchBoot } from "./boot-plan.ts";

export const addressRefreshMs = 60_000;
const snapshotLookMs = 1_000;

export function decideOn(input: PlanInput, seen: Extract<Seen, { kind: "present" }>): Step {
  const { power, record } = input;
  if (power === "Off") return { kind: "ForceOff", why: "PowerOff" };
  // A guest whose CPUs are halted hears nothing.
  const isHalted = seen.power === "paused" && record.isPausedByUs === true;
  if (power === "OffGraceful") return isHalted ? { kind: "Resume" } : stopGracefully(input);
  if (power === "Suspended") return waited(decideSuspend(input, seen));
  if (isRestartWanted(input)) {
    // Once the guest was asked there is no way back; before that, a VM that could not be started again is left running.
    if (record.shutdownRequestedAtMs === undefined && input.adopted === undefined) {
      if (!input.definition.ok && !isAsDeclared(input)) return blocked(input.definition);
      if (input.definition.ok && !input.done.has("Check")) return { kind: "Check", definition: input.definition.value };
    }
    return isHalted ? { kind: "Resume" } : stopGracefully(input);
  }
  const cycling = continuePowerCycle(input);
  if (cycling !== undefined) return cycling;
  // It stands still for a snapshot of its memory, and goes on by itself.
  if (seen.power === "paused" && !isHalted && input.isBeingSnapshotted === true) {
    return sooner(watchRun(input), input.nowMs + snapshotLookMs);
  }
  const runState = decideRunState(input, seen);
  if (runState !== undefined) return waited(runState);
  const size = decideSize(input, seen);
  if (size.kind !== "wait") return size;
  const disks = decideDisks(input, seen);
  if (disks.kind !== "wait") return disks;
  const nics = decideNics(input, seen);
  if (nics.kind !== "wait") return nics;
  const isChanging = [size, disks, nics].some(({ lookAgainAtMs }) => lookAgainAtMs !== undefined);
  const cycle = decidePowerCycle(input, seen, { isChanging });
  if (cycle !== undefined) return cycle;
  return [size, disks, nics].reduce((step, { lookAgainAtMs }) => sooner(step, lookAgainAtMs), watchRun(input));
}

function decideSize(
  { sizing, definition, record, nowMs, done }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): ReturnType<typeof decideRunningSize> {
  if (sizing === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  return decideRunningSize({ nowMs, record, definition: definition.value, done, ...sizing }, seen);
}

function decideDisks(
  { hotDisks, definition, record, ...input }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): Step | HotWait {
  if (hotDisks === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  const { nowMs, dataDisks, diskSizes, done } = input;
  const { disks } = definition.value;
  const decision = decideRunningDisks({ nowMs, record, disks, dataDisks, sizes: diskSizes, done, ...hotDisks }, seen);
  return decision.kind === "RecordDisks" ? { ...decision, definition: definition.value } : decision;
}

function decideNics(
  { hotNics, definition, record, nowMs, isMacDue, done }: PlanInput,
  seen: Extract<Seen, { kind: "present" }>,
): Step | HotWait {
  if (hotNics === undefined || !definition.ok || record.applied === undefined) return { kind: "wait" };
  const decision = decideRunningNics({ nowMs, record, definition: definition.value, isMacDue, done, ...hotNics }, seen);
  return decision.kind === "RecordNics" ? { ...decision, definition: definition.value } : decision;
}

function watchRun(input: PlanInput): Step {
  const { addresses, adopted, record, nowMs } = input;
  if (addresses.length > 0) return settle({ kind: "Running" }, nowMs + addressRefreshMs);
  // Of an adopted guest nobody here knows whether it is to have an address.
  if (adopted !== undefined) {
    const isYoung = nowMs - (record.runningSinceMs ?? nowMs) < addressRefreshMs;
    return settle({ kind: "Running" }, nowMs + (isYoung ? 5_000 : addressRefreshMs));
  }
  if (!input.expectsAddress) return settle({ kind: "Running" });
  return watchBoot(input);
}

function waited(
  decision: RunStateStep | { readonly kind: "wait"; readonly situation: Situation; readonly lookAgainAtMs?: number },
): Step {
  return decision.kind === "wait" ? settle(decision.situation, decision.lookAgainAtMs) : decision;
}

function sooner(step: Step, atMs: number | undefined): Step {
  if (step.kind !== "Settle" || atMs === undefined) return step;
  return { ...step, lookAgainAtMs: Math.min(atMs, step.lookAgainAtMs ?? atMs) };
}
