// What the plan may answer: one step to take, or the situation in which none is to be taken now.

import type { PowerState, ProviderError, VmDefinition } from "@vivarium/provider";
import { diskStepKey } from "./disk-plan.ts";
import type { DiskStep } from "./disk-plan.ts";
import type { DataDisk, ImageDisk, Problem, Resolved } from "./input.ts";
import { nicStepKey } from "./nic-plan.ts";
import type { NicStep } from "./nic-plan.ts";
import type { PowerCycleRecord } from "./power-cycle-plan.ts";
import type { RevertStep } from "./revert-plan.ts";
import type { RunStateStep } from "./run-state-plan.ts";
import type { SizeStep } from "./size-plan.ts";

/** A state in which nothing is to be done now. `lookAgainAtMs`: time alone may change that. */
export type Situation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Unavailable"; readonly error: ProviderError }
  | { readonly kind: "NameConflict"; readonly domain: string; readonly reason: string }
  | { readonly kind: "Blocked"; readonly problems: readonly Problem[] }
  | { readonly kind: "DeleteBlocked"; readonly problem: Problem }
  | { readonly kind: "DeleteUnavailable"; readonly error: ProviderError }
  /** By snapshots that shall outlive it. */
  | { readonly kind: "DeleteHeld"; readonly snapshots: readonly string[] }
  | { readonly kind: "Stopped"; readonly hasSavedMemory: boolean }
  /** Off with its memory saved, as declared. */
  | { readonly kind: "Suspended" }
  /** Its memory is being saved. */
  | { readonly kind: "Suspending" }
  | { readonly kind: "PausedAsDeclared" }
  /** The guest's kernel panicked, and it is kept for a look, as declared. */
  | { readonly kind: "CrashKept" }
  | { readonly kind: "StartsLater"; readonly atMs: number }
  /** `isForced`: the plug is pulled at the deadline. */
  | { readonly kind: "ShuttingDown"; readonly deadlineMs: number; readonly isForced: boolean }
  | { readonly kind: "GuestStopping" }
  /** By somebody else, or by the guest itself. */
  | { readonly kind: "Paused"; readonly power: "paused" | "suspended"; readonly reason: string }
  | { readonly kind: "WaitingForAddress" }
  | { readonly kind: "Running" }
  /** A step was tried and failed; told by the controller, not decided here. */
  | { readonly kind: "StepFailed"; readonly step: Step["kind"]; readonly error: ProviderError }
  /** About to take this step. */
  | { readonly kind: "Working"; readonly step: Step["kind"] };

export type Step =
  | { readonly kind: "AddFinalizer" }
  /** Says, durably, where and as what the VM is about to be made. */
  | { readonly kind: "RecordPlacement"; readonly provider: string; readonly definition: VmDefinition }
  | { readonly kind: "Check"; readonly definition: VmDefinition }
  | { readonly kind: "EnsureRootDisk"; readonly disk: ImageDisk }
  | { readonly kind: "EnsureDataDisk"; readonly disk: DataDisk }
  | { readonly kind: "WriteSeed"; readonly seed: Uint8Array }
  | { readonly kind: "Define"; readonly definition: VmDefinition }
  /** Chooses MAC addresses that nobody has, and says so, durably. */
  | { readonly kind: "AllocateMacs" }
  | DiskStep
  | NicStep
  /** Says, durably, that the disks of the running domain are as declared. */
  | { readonly kind: "RecordDisks"; readonly definition: VmDefinition }
  /** Says, durably, that the interfaces of the running domain are as declared. */
  | { readonly kind: "RecordNics"; readonly definition: VmDefinition }
  | RunStateStep
  | RevertStep
  | SizeStep
  /** Says, durably, that the running domain has the size that is declared. */
  | { readonly kind: "RecordSize"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "Start"; readonly isPaused: boolean; readonly isFromMemory: boolean }
  /** Says, durably, that the VM is off and why, before anything is done about it. */
  | { readonly kind: "RecordStop"; readonly power: PowerState | "absent"; readonly reason: string }
  | { readonly kind: "RecordShutdownRequest" }
  /** Says, durably, that the guest is asked to shut down for a change of its definition, or that it did not. */
  | { readonly kind: "RecordPowerCycle"; readonly powerCycle: PowerCycleRecord }
  | { readonly kind: "RequestShutdown" }
  | { readonly kind: "ForceOff"; readonly why: "PowerOff" | "Deadline" | "Crashed" | "BootRetry" | "Delete" }
  /** Looks for any sign of life of a start that has shown none. */
  | { readonly kind: "ProbeBoot" }
  | { readonly kind: "RecordBootRetry" }
  /** Says on which of several hosts the VM is to be; for good. */
  | { readonly kind: "BindHost"; readonly host: string; readonly fitting: number }
  /** Says, durably, that the VM is a domain that was there before. */
  | { readonly kind: "RecordAdoption"; readonly provider: string; readonly uuid: string }
  /** Marks the domain as the VM's. */
  | { readonly kind: "Adopt" }
  /** Takes the mark away; domain and disks stay. */
  | { readonly kind: "Release" }
  | { readonly kind: "DestroyAdopted" }
  | { readonly kind: "Undefine" }
  | { readonly kind: "RemoveVolumes" }
  | { readonly kind: "ReleaseLeases" }
  | { readonly kind: "RemoveFinalizer" }
  | { readonly kind: "Settle"; readonly situation: Situation; readonly lookAgainAtMs?: number };

/** Identifies a step within one look, for `PlanInput.done`. */
export function stepKey(step: Step): string {
  switch (step.kind) {
    case "EnsureDataDisk":
      return `${step.kind}/${step.disk.name}`;
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "GrowDisk":
      return diskStepKey(step);
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
      return nicStepKey(step);
    default:
      return step.kind;
  }
}

export function blocked(...resolved: readonly Resolved<unknown>[]): Step {
  return settle({ kind: "Blocked", problems: resolved.flatMap((each) => (each.ok ? [] : each.problems)) });
}

export function settle(situation: Situation, lookAgainAtMs?: number): Step {
  return { kind: "Settle", situation, ...(lookAgainAtMs === undefined ? {} : { lookAgainAtMs }) };
}
