// What a step on a running VM does at the provider; how it is taken, and what comes of a failure, is in hot-steps.ts.

import type { VmContext } from "../context.ts";
import { openOf } from "../connection.ts";
import { assertRoom } from "../room.ts";
import type { Look } from "../look.ts";
import { flush } from "../report.ts";
import { identityOf } from "../resolve/definition.ts";
import { act, actOnDevice } from "./act.ts";
import { actOnSize } from "./act-on-size.ts";
import type { HotStep } from "./hot-steps.ts";
import { giveMacs } from "./macs.ts";
import type { StepOptions } from "./step-options.ts";

export function hotRunOf(
  context: VmContext,
  look: Look,
  { step, input }: { readonly step: HotStep; readonly input: StepOptions["input"] },
): (signal: AbortSignal) => Promise<void> {
  const open = openOf(context, look);
  const vm = identityOf(look.vm);
  switch (step.kind) {
    case "AllocateMacs":
      return async (signal) => {
        await giveMacs(context, look, { signal });
        await flush(context, look, { step: step.kind, input });
      };
    case "EnsureDataDisk":
      return (signal) => act(open, step, { vm, macs: [], signal });
    case "SetMemory":
      return async (signal) => {
        assertRoom(context, look);
        look.memory.memoryAskedAtMs = context.clock.now();
        await actOnSize(open, step, { vm, signal });
      };
    case "AddCpus":
      return async (signal) => {
        assertRoom(context, look);
        await actOnSize(open, step, { vm, signal });
      };
    case "SetLimits":
    case "SetStartOnBoot":
      return (signal) => actOnSize(open, step, { vm, signal });
    case "AttachDisk":
    case "RequestDetach":
    case "TuneDisk":
    case "GrowDisk":
    case "AttachNic":
    case "RequestNicDetach":
    case "TuneNic":
      return (signal) => actOnDevice(open, step, { vm, signal });
  }
}
