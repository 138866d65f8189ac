// The phase and the power state of a VM: the words of the two columns that users read at a glance. Pure.

import type { VirtualMachine, VirtualMachineStatus } from "@vivarium/api";
import type { Seen } from "../plan/input.ts";
import { rankOf } from "./problem-ranks.ts";
import type { StatusInput } from "./status.ts";

export type Phase = NonNullable<VirtualMachineStatus["phase"]>;

export function phaseOf({ vm, situation, seen, record }: StatusInput): Phase {
  if (vm.metadata.deletionTimestamp !== undefined) return "Deleting";
  const hasRun = record.runningSinceMs !== undefined || record.lastStop !== undefined;
  switch (situation.kind) {
    case "Unavailable":
    case "DeleteUnavailable":
      return vm.status?.phase ?? "Pending";
    case "NameConflict":
    case "CrashKept":
      return "Failed";
    case "Blocked":
      if (seen.kind === "present") return isOn(seen) ? "Running" : "Stopped";
      return situation.problems.some((problem) => rankOf(problem) === 0) ? "Failed" : "Pending";
    case "StepFailed":
      if (isOn(seen)) return "Running";
      if (!situation.error.retryable) return "Failed";
      return hasRun ? "Stopped" : "Provisioning";
    case "Working":
      if (isOn(seen)) return "Running";
      return hasRun ? "Stopped" : "Provisioning";
    case "Stopped":
    case "StartsLater":
      return "Stopped";
    case "Suspended":
      return "Suspended";
    case "Paused":
    case "PausedAsDeclared":
      return "Paused";
    case "Suspending":
    case "ShuttingDown":
    case "GuestStopping":
    case "WaitingForAddress":
    case "Running":
      return "Running";
    case "DeleteBlocked":
    case "DeleteHeld":
    case "Gone":
      return "Deleting";
  }
}

/** What is saved counts as such where it shall be; a VM that shall be off is off. */
export function powerStateOf(
  vm: VirtualMachine,
  seen: Extract<Seen, { kind: "present" }>,
): NonNullable<VirtualMachineStatus["powerState"]> {
  if (isOn(seen)) return seen.power === "paused" ? "Paused" : "On";
  const isOffWanted = vm.spec.powerState === "Off" || vm.spec.powerState === "OffGraceful";
  return seen.hasSavedMemory === true && !isOffWanted ? "Suspended" : "Off";
}

export function isOn(seen: Seen): boolean {
  return seen.kind === "present" && seen.power !== "off" && seen.power !== "crashed";
}
