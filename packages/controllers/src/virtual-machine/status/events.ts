// Which Events tell a VM's story: few, each a milestone or something to look at. Pure.

import { findCondition } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineStatus } from "@vivarium/api";
import { humanSize } from "../../human-size.ts";
import type { PowerWish } from "../plan/input.ts";
import type { Step } from "../plan/step.ts";
import type { RunRequestKind } from "../plan/run-state-plan.ts";
import type { VmRecord } from "../record.ts";
import { fieldsNotApplied } from "../resolve/definition.ts";
import { isUnexpected } from "../stop.ts";

export interface VmEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Told when the step is done. `record` is as it was before. */
export function eventOfStep(
  step: Step,
  facts: {
    readonly record: VmRecord;
    readonly power: PowerWish;
    readonly wasAbsent: boolean;
    readonly isRestart: boolean;
  },
): VmEvent | undefined {
  const normal = (reason: string, message: string): VmEvent => ({ type: "Normal", reason, message });
  const warning = (reason: string, message: string): VmEvent => ({ type: "Warning", reason, message });
  switch (step.kind) {
    case "RecordPlacement":
      // What is made is told of when it is there, or does not succeed.
      if (facts.record.madeOn === undefined) return undefined;
      return facts.wasAbsent
        ? warning("DomainMissing", "The domain was gone; it is made again with the disks that are there")
        : normal("Reconfigured", "The domain is defined anew from the changed spec");
    case "Define":
      // One that is started next tells of both then: thousands of new machines make news enough.
      if (!facts.wasAbsent || facts.power === "On") return undefined;
      return normal("Created", `Disks, seed and domain are made on Provider "${facts.record.madeOn ?? ""}"`);
    case "Start":
      if (step.isFromMemory) return normal("Restored", "Powered on; it goes on from its saved memory");
      if (facts.isRestart) return normal("Restarted", "Started again as requested");
      return normal("Started", hasRun(facts.record) ? "Powered on" : firstStart(facts.record));
    case "RecordPowerCycle":
      return step.powerCycle.state === "asked"
        ? normal("ReconfigureStarted", "The guest is asked to shut down, to be started again as declared")
        : warning(
            "ReconfigureRefused",
            "The guest did not shut down in time and is left running: its plug is not to be pulled",
          );
    case "ForceOff":
      switch (step.why) {
        case "Deadline":
          return warning("ShutdownForced", "The guest did not shut down in time; the plug was pulled");
        case "BootRetry":
          return warning("BootRetried", "The boot showed no sign of life; it was cut short and is tried once more");
        case "PowerOff":
        case "Crashed":
        case "Delete":
          return undefined;
      }
      break;
    case "Revert":
      return normal("SnapshotReverted", `Gone back to snapshot "${step.revert.name}"`);
    case "AttachDisk":
      return normal("DiskAttached", `Disk "${step.disk.name}" is plugged in`);
    case "RequestDetach":
      return normal("DiskDetaching", `The guest was asked to let go of disk "${step.name}"`);
    case "TuneDisk":
      return normal("DiskLimitsChanged", `The limits of disk "${step.name}" are as declared`);
    case "GrowDisk":
      return normal("DiskGrown", `Disk "${step.name}" has ${humanSize(step.sizeBytes)}`);
    case "AddCpus":
      return normal("CpusAdded", `It has ${step.cpus} CPUs`);
    case "SetMemory":
      return normal("MemoryChanging", `The guest was asked to have ${humanSize(step.memoryBytes)}`);
    case "SetLimits":
      return normal("LimitsChanged", "The limits of CPU and memory are as declared");
    case "Pause":
      return normal("Paused", "Its CPUs are halted");
    case "Resume":
      return normal("Resumed", "Its CPUs run again");
    case "DiscardMemory":
      return normal("MemoryDiscarded", "The saved memory is thrown away; the next start boots");
    case "Reboot":
      return normal("RebootRequested", "The guest was asked to reboot");
    case "Reset":
      return normal("Reset", "The reset button was pressed");
    case "RecordVoidRequest":
      return warning("RequestVoid", voidMessages[step.what]);
    case "Adopt":
      return normal("Adopted", "The domain is this VM from now on; it stays as it was found");
    case "Release":
      return normal("Released", "The domain is let go of; it and its disks stay as they are");
    case "DestroyAdopted":
      return warning("Destroyed", "The adopted domain and the volumes of its disks are removed");
    case "AttachNic":
      return normal("InterfaceAttached", `Interface "${step.nic.name}" is plugged in`);
    case "RequestNicDetach":
      return normal("InterfaceDetaching", `The guest was asked to let go of interface "${step.name}"`);
    case "TuneNic":
      return normal("InterfaceChanged", `Interface "${step.nic.name}" is as declared`);
    case "BindHost":
      return normal(
        "Scheduled",
        `Put on host "${step.host}"${step.fitting > 1 ? `; ${step.fitting} hosts could have taken it` : ""}`,
      );
    case "AllocateMacs":
    case "RecordNics":
    case "RecordAdoption":
    case "SetStartOnBoot":
    case "RecordSize":
    case "RecordPause":
    case "Suspend":
    case "RecordRevert":
    case "ClearRevert":
    case "ForgetRevert":
    case "RecordDisks":
    case "AddFinalizer":
    case "Check":
    case "EnsureRootDisk":
    case "EnsureDataDisk":
    case "WriteSeed":
    case "RecordStop":
    case "RecordShutdownRequest":
    case "RequestShutdown":
    case "ProbeBoot":
    case "RecordBootRetry":
    case "Undefine":
    case "RemoveVolumes":
    case "ReleaseLeases":
    case "RemoveFinalizer":
    case "Settle":
      return undefined;
  }
  return undefined;
}

function hasRun({ runningSinceMs, lastStop }: VmRecord): boolean {
  return runningSinceMs !== undefined || lastStop !== undefined;
}

function firstStart({ madeOn }: VmRecord): string {
  return madeOn === undefined ? "Powered on" : `Made on Provider "${madeOn}" and powered on`;
}

const voidMessages: Readonly<Record<RunRequestKind, string>> = {
  reboot: "A reboot was asked for while the VM was off: there was no guest to ask",
  reset: "A reset was asked for while the VM was off: there was nothing to reset",
  discardMemory: "Saved memory was to be thrown away: there was none",
};

/** Told when the stop is recorded. */
export function eventOfStop(record: VmRecord, power: PowerWish): VmEvent | undefined {
  const stop = record.lastStop;
  if (stop === undefined) return undefined;
  return isUnexpected(stop, power)
    ? { type: "Warning", reason: "StoppedUnexpectedly", message: stop.message }
    : { type: "Normal", reason: "Stopped", message: stop.message };
}

const quietReasons = new Set([
  "Adopting",
  "CloneNotReady",
  "Creating",
  "Deleted",
  "Deleting",
  "GuestStopping",
  "ImageNotReady",
  "Paused",
  "Reverting",
  "Running",
  "ShuttingDown",
  "Starting",
  "Stopped",
  "StoppedUnexpectedly",
  "Stopping",
  "Suspended",
  "Suspending",
  "WaitingForAddress",
]);

/** Told by the name that users of Kubernetes look for. */
const unscheduled = new Set(["NoHostFits", "HostFull"]);

const quietDeviceReasons = new Set(["Detaching", "NotAttached"]);

/** Told when this status is written. */
export function eventsOfStatus(vm: VirtualMachine, next: VirtualMachineStatus): readonly VmEvent[] {
  const events: VmEvent[] = [];
  const old = vm.status;
  const ready = findCondition(next.conditions, "Ready");
  const oldReady = findCondition(old?.conditions, "Ready");
  if (ready !== undefined && ready.reason !== oldReady?.reason && !quietReasons.has(ready.reason)) {
    const reason = unscheduled.has(ready.reason) ? "FailedScheduling" : ready.reason;
    events.push({ type: "Warning", reason, message: ready.message });
  }
  const notApplied = old === undefined ? fieldsNotApplied(vm) : [];
  if (notApplied.length > 0) {
    const message = `Accepted, but not applied: ${notApplied.join(", ")}`;
    events.push({ type: "Warning", reason: "NotApplied", message });
  }
  const [ip] = next.ips ?? [];
  if (ip !== undefined && ip !== old?.ips?.[0]) {
    events.push({ type: "Normal", reason: "AddressAssigned", message: `The VM is at ${ip}` });
  }
  for (const type of ["DisksAttached", "NetworksAttached"]) {
    const devices = findCondition(next.conditions, type);
    const isQuiet = devices?.status !== "False" || quietDeviceReasons.has(devices.reason);
    if (isQuiet || devices.reason === findCondition(old?.conditions, type)?.reason) continue;
    events.push({ type: "Warning", reason: devices.reason, message: devices.message });
  }
  const placement = findCondition(next.conditions, "PlacementSatisfied");
  if (placement?.status === "False" && placement.message !== findCondition(old?.conditions, placement.type)?.message) {
    events.push({ type: "Warning", reason: "PlacementViolated", message: placement.message });
  }
  const pending = findCondition(next.conditions, "ReconfigurePendingPowerCycle");
  if (
    pending?.status === "True" &&
    pending.message !== findCondition(old?.conditions, "ReconfigurePendingPowerCycle")?.message
  ) {
    events.push({ type: "Warning", reason: "ReconfigurePowerCycle", message: pending.message });
  }
  return events;
}
