// What was seen of one machine, as to what its group wants of it. Pure.

import { findCondition, type VirtualMachine, type VMSnapshot } from "@vivarium/api";
import type { Goal } from "./vm-group-plan.ts";

export function startGoal(vm: VirtualMachine | undefined, readyWhen: "Ready" | "Running"): Goal {
  if (vm === undefined) return { kind: "impossible", message: "there is no such VM" };
  if ((vm.spec.powerState ?? "On") !== "On") return open("it is about to be started");
  const { status } = vm;
  const ready = readyOf(vm);
  if (!isCurrent(vm)) return open("the wish has not been seen yet");
  // Nobody goes on with it until somebody mends it: an hour's wait would end in the same words.
  if (ready?.reason === "ImageFailed") return { kind: "impossible", message: stageOf(vm) };
  if (readyWhen === "Running") {
    return status?.powerState === "On" ? reached(status.startedAt) : open(stageOf(vm));
  }
  return ready?.status === "True" ? reached(ready.lastTransitionTime) : open(stageOf(vm));
}

export function stopGoal(vm: VirtualMachine | undefined, wanted: "Off" | "OffGraceful"): Goal {
  if (vm === undefined) return { kind: "impossible", message: "there is no such VM" };
  const power = vm.spec.powerState ?? "On";
  if (power !== wanted && power !== "Off" && power !== "OffGraceful") return open("it is about to be stopped");
  if (!isCurrent(vm)) return open("the wish has not been seen yet");
  // Of a machine that waits for its image, say, nothing was made yet, and nothing will run.
  const isOff = vm.status?.phase === "Stopped" || vm.status?.id === undefined;
  return isOff ? reached(undefined) : open(stageOf(vm));
}

/** `uid`: of the machine that is to go; another of its name is none of ours. */
export function deleteGoal(vm: VirtualMachine | undefined, uid: string | undefined): Goal {
  if (vm === undefined || vm.metadata.uid !== uid) return reached(undefined);
  return open(vm.metadata.deletionTimestamp === undefined ? "it is about to be deleted" : "it is being deleted");
}

/** `startTime`: of the operation; a snapshot that was there before is not what was asked for. */
export function snapshotGoal(
  vm: VirtualMachine | undefined,
  snapshot: VMSnapshot | undefined,
  { startTime }: { readonly startTime: string },
): Goal {
  if (vm === undefined) return { kind: "impossible", message: "there is no such VM" };
  const { phase, message } = snapshot?.status ?? {};
  if (snapshot !== undefined && Date.parse(snapshot.metadata.creationTimestamp ?? "") < Date.parse(startTime)) {
    return { kind: "impossible", message: `VMSnapshot "${snapshot.metadata.name}" was there before` };
  }
  if (phase === "Failed") return { kind: "impossible", message: message ?? "the snapshot was not taken" };
  if (phase === "Ready") return reached(undefined);
  return open(message ?? "the snapshot is about to be taken");
}

function open(message: string): Goal {
  return { kind: "open", message };
}

function reached(time: string | undefined): Goal {
  return { kind: "reached", sinceMs: time === undefined ? 0 : Date.parse(time) };
}

function readyOf(vm: VirtualMachine) {
  return findCondition(vm.status?.conditions, "Ready");
}

function isCurrent({ metadata, status }: VirtualMachine): boolean {
  return status !== undefined && (status.observedGeneration ?? metadata.generation) === metadata.generation;
}

function stageOf(vm: VirtualMachine): string {
  const phase = vm.status?.phase ?? "Pending";
  const message = readyOf(vm)?.message ?? "";
  return message === "" ? phase : `${phase}: ${message}`;
}
