// What is to be known of each step to take it: what it leads to, whether the domain is another one afterwards, how long it may take.

import type { Step } from "../plan/step.ts";

export type ProviderStep = Extract<
  Step,
  {
    kind:
      | "Check"
      | "EnsureRootDisk"
      | "EnsureDataDisk"
      | "WriteSeed"
      | "Define"
      | "GrowDisk"
      | "Pause"
      | "Resume"
      | "Suspend"
      | "DiscardMemory"
      | "Reboot"
      | "Reset"
      | "Revert"
      | "Start"
      | "RequestShutdown"
      | "ForceOff"
      | "Adopt"
      | "Release"
      | "DestroyAdopted"
      | "Undefine"
      | "RemoveVolumes"
      | "ReleaseLeases";
  }
>;

/** What a step leads to: steps with one aim fail and wait together. */
export const aimOf: Readonly<Record<Step["kind"], "run" | "stop" | "remove" | "record">> = {
  AddFinalizer: "record",
  RecordPlacement: "run",
  Check: "run",
  EnsureRootDisk: "run",
  EnsureDataDisk: "run",
  WriteSeed: "run",
  Define: "run",
  AttachDisk: "record",
  RequestDetach: "record",
  TuneDisk: "record",
  GrowDisk: "run",
  RecordDisks: "record",
  AddCpus: "record",
  SetMemory: "record",
  SetLimits: "record",
  SetStartOnBoot: "record",
  RecordSize: "record",
  RecordPause: "record",
  Pause: "run",
  Resume: "run",
  Suspend: "stop",
  DiscardMemory: "run",
  Reboot: "run",
  Reset: "run",
  RecordVoidRequest: "record",
  AllocateMacs: "run",
  AttachNic: "record",
  RequestNicDetach: "record",
  TuneNic: "record",
  RecordNics: "record",
  RecordRevert: "record",
  Revert: "run",
  ClearRevert: "record",
  ForgetRevert: "record",
  Start: "run",
  RecordStop: "record",
  RecordShutdownRequest: "record",
  RecordPowerCycle: "record",
  RequestShutdown: "stop",
  ForceOff: "stop",
  ProbeBoot: "record",
  RecordBootRetry: "record",
  BindHost: "record",
  RecordAdoption: "record",
  Adopt: "run",
  Release: "remove",
  DestroyAdopted: "remove",
  Undefine: "remove",
  RemoveVolumes: "remove",
  ReleaseLeases: "remove",
  RemoveFinalizer: "remove",
  Settle: "record",
};

/** Whether the domain may be another one afterwards, so that it must be observed again. */
export const changesDomain: Readonly<Record<ProviderStep["kind"], boolean>> = {
  Check: false,
  EnsureRootDisk: false,
  EnsureDataDisk: false,
  WriteSeed: false,
  Define: true,
  GrowDisk: false,
  Pause: true,
  Resume: true,
  Suspend: true,
  DiscardMemory: true,
  Reboot: true,
  Reset: true,
  Revert: true,
  Start: true,
  RequestShutdown: true,
  ForceOff: true,
  Adopt: true,
  Release: false,
  DestroyAdopted: true,
  Undefine: true,
  RemoveVolumes: false,
  ReleaseLeases: false,
};

/** Of one step; cloning and filling a disk takes longest. */
export const stepDeadlineMs: Readonly<Record<ProviderStep["kind"], number>> = {
  Check: 30_000,
  EnsureRootDisk: 600_000,
  EnsureDataDisk: 600_000,
  WriteSeed: 120_000,
  Define: 60_000,
  GrowDisk: 120_000,
  Pause: 30_000,
  Resume: 30_000,
  // All of the memory goes to disk.
  Suspend: 900_000,
  DiscardMemory: 60_000,
  Reboot: 30_000,
  Reset: 30_000,
  // From saved memory it takes as long as reading that.
  // Memory is read back whole, and files may be merged.
  Revert: 3_600_000,
  Start: 300_000,
  RequestShutdown: 30_000,
  ForceOff: 60_000,
  Adopt: 30_000,
  Release: 30_000,
  DestroyAdopted: 120_000,
  Undefine: 60_000,
  RemoveVolumes: 120_000,
  ReleaseLeases: 30_000,
};
