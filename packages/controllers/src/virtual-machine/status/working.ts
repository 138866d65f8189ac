// What a VM says of itself while a step is taken. Pure.

import type { Verdict } from "../../verdict.ts";
import type { Seen } from "../plan/input.ts";
import type { Step } from "../plan/step.ts";

export function workingReady(step: Step["kind"], seen: Seen): Verdict {
  const is = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  const starting = is("Starting", "The VM is being started");
  switch (step) {
    case "AddFinalizer":
    case "RecordPlacement":
    case "Check":
    case "EnsureRootDisk":
    case "EnsureDataDisk":
    case "WriteSeed":
    case "GrowDisk":
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "RecordDisks":
    case "AllocateMacs":
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
    case "RecordNics":
      return seen.kind === "present" ? starting : is("Creating", "The VM is being made");
    case "RecordRevert":
    case "Revert":
    case "ClearRevert":
    case "ForgetRevert":
      return is("Reverting", "The VM is going back to a snapshot");
    case "Define":
    case "Start":
      return starting;
    case "AddCpus":
    case "SetMemory":
    case "SetLimits":
    case "SetStartOnBoot":
    case "RecordSize":
      return is("Starting", "The size is being changed");
    case "Pause":
    case "RecordPause":
      return is("Paused", "The CPUs are being halted");
    case "Resume":
      return is("Starting", "The CPUs are being let go on");
    case "Suspend":
      return is("Suspending", "Its memory is being saved to disk");
    case "DiscardMemory":
      return is("Stopped", "The saved memory is being thrown away");
    case "Reboot":
    case "Reset":
    case "RecordVoidRequest":
      return is("Starting", "The guest is being made to begin anew");
    case "RecordStop":
    case "RecordShutdownRequest":
    case "RecordPowerCycle":
    case "RequestShutdown":
      return is("ShuttingDown", "The guest is being asked to shut down");
    case "ForceOff":
      return is("Stopping", "The plug is being pulled");
    case "ProbeBoot":
    case "RecordBootRetry":
      return is("WaitingForAddress", "The boot has shown no sign of life; it is cut short and tried once more");
    case "Undefine":
    case "BindHost":
      return is("Creating", "The VM is being made");
    case "RecordAdoption":
    case "Adopt":
      return is("Adopting", "The domain is being adopted");
    case "Release":
      return is("Deleting", "The domain is let go of, and stays as it is");
    case "DestroyAdopted":
      return is("Deleting", "The domain and its disks are being removed");
    case "RemoveVolumes":
    case "ReleaseLeases":
    case "RemoveFinalizer":
      return is("Deleting", "The VM and its volumes are being removed");
    case "Settle":
      return is("Settled", "Nothing is to be done");
  }
}
