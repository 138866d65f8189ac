// Which part does a step: one line a step, grouped by what it is about. A step that fails throws.

import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import { atProvider } from "./at-provider.ts";
import { addFinalizer, dropFinalizer } from "./finalizer.ts";
import { allocateMacs } from "./macs.ts";
import { noteAdoption, noteBinding, notePlacement } from "./placement.ts";
import { clearRevert, forgetRevert, noteRevert } from "./revert.ts";
import {
  noteBootRetry,
  notePause,
  notePowerCycle,
  noteShutdownRequest,
  noteStop,
  noteVoidRequest,
  probe,
} from "./run.ts";
import { noteDisks, noteNics, noteSize } from "./running.ts";
import type { StepOptions } from "./step-options.ts";

export async function perform(context: VmContext, look: Look, { step, input }: StepOptions): Promise<void> {
  switch (step.kind) {
    case "AddFinalizer":
      return addFinalizer(context, look);
    case "RemoveFinalizer":
      return dropFinalizer(context, look, input);

    case "BindHost":
      return noteBinding(context, look, { step, input });
    case "RecordPlacement":
      return notePlacement(context, look, { step, input });
    case "RecordAdoption":
      return noteAdoption(context, look, { step, input });
    case "AllocateMacs":
      return allocateMacs(context, look);

    case "RecordDisks":
      return noteDisks(context, look, { step, input });
    case "RecordNics":
      return noteNics(context, look, step);
    case "RecordSize":
      return noteSize(context, look, step);

    case "RecordStop":
      return noteStop(context, look, { step, input });
    case "RecordShutdownRequest":
      return noteShutdownRequest(context, look);
    case "RecordPowerCycle":
      return notePowerCycle(context, look, step);
    case "RecordPause":
      return notePause(look);
    case "RecordVoidRequest":
      return noteVoidRequest(look, step);
    case "RecordBootRetry":
      return noteBootRetry(look);
    case "ProbeBoot":
      return probe(context, look);

    case "RecordRevert":
      return noteRevert(look, step);
    case "ClearRevert":
      return clearRevert(context, look, { step, input });
    case "ForgetRevert":
      return forgetRevert(look);

    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
    case "AddCpus":
    case "SetMemory":
    case "SetLimits":
    case "SetStartOnBoot":
      throw new Error(`Cannot take step ${step.kind} of a VM that is not running`);

    case "Check":
    case "EnsureRootDisk":
    case "EnsureDataDisk":
    case "WriteSeed":
    case "Define":
    case "GrowDisk":
    case "Pause":
    case "Resume":
    case "Suspend":
    case "DiscardMemory":
    case "Reboot":
    case "Reset":
    case "Revert":
    case "Start":
    case "RequestShutdown":
    case "ForceOff":
    case "Adopt":
    case "Release":
    case "DestroyAdopted":
    case "Undefine":
    case "RemoveVolumes":
    case "ReleaseLeases":
      return atProvider(context, look, { step, input });
  }
}
