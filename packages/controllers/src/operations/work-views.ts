// What long work an object's state tells of. Pure: from the object alone, so that it is the same after a restart.

import {
  findCondition,
  ImageBuild,
  VirtualMachine,
  VMClone,
  VMExport,
  VMGroup,
  VMImage,
  VMMigration,
  VMSnapshot,
  type KubeObject,
  type ResourceType,
} from "@vivarium/api";

export interface WorkView {
  /** What is worked on or was done last. */
  readonly verb: string;
  readonly state: "running" | "done" | "failed";
  /** Whether it may be the beginning of work, or only goes on where it had begun. */
  readonly isBeginning: boolean;
  /** Where the object says when it began. */
  readonly startTime?: string | undefined;
  readonly message?: string | undefined;
}

export interface WatchedKind {
  readonly type: ResourceType;
  /** Undefined: nothing that is told of here. */
  readonly view: (object: KubeObject) => WorkView | undefined;
}

export const watchedKinds: readonly WatchedKind[] = [
  watched(VirtualMachine, machineView),
  watched(VMImage, imageView),
  watched(VMSnapshot, (object) => phased(object, { verb: "Take", done: ["Ready", "Expired"], failed: ["Failed"] })),
  watched(VMClone, (object) => phased(object, { verb: "Clone", done: ["Ready"], failed: ["Failed"] })),
  watched(VMExport, (object) => phased(object, { verb: "Export", done: ["Succeeded"], failed: ["Failed"] })),
  watched(VMMigration, (object) =>
    phased(object, { verb: "Migrate", done: ["Ready"], failed: ["Failed", "Cancelled"] }),
  ),
  watched(ImageBuild, (object) =>
    phased(object, { verb: "Build", done: ["Succeeded"], failed: ["Failed", "Cancelled"] }),
  ),
  watched(VMGroup, groupView),
];

function watched<T extends KubeObject>(type: ResourceType<T>, view: (object: T) => WorkView | undefined): WatchedKind {
  return {
    type,
    view: (object) => {
      const { deletionTimestamp } = object.metadata;
      return deletionTimestamp === undefined
        ? view(object as T)
        : { verb: "Delete", state: "running", isBeginning: true, startTime: deletionTimestamp };
    },
  };
}

function machineView({ metadata, spec, status }: VirtualMachine): WorkView | undefined {
  const ready = findCondition(status?.conditions, "Ready");
  const isCurrent = (status?.observedGeneration ?? metadata.generation) === metadata.generation;
  const message = ready?.message;
  const on = status?.powerState === "On";
  switch (spec.powerState ?? "On") {
    case "On": {
      const hasRun = status?.startedAt !== undefined || status?.lastStop !== undefined;
      const start = hasRun ? { verb: "Start" } : { verb: "Create", startTime: metadata.creationTimestamp };
      // One that runs and is not Ready for a while is not being started.
      if (ready?.status === "True" && isCurrent) return { ...start, state: "done", isBeginning: false, message };
      return { ...start, state: "running", isBeginning: !on, message };
    }
    case "Off":
    case "OffGraceful": {
      const isOff = isCurrent && (status?.phase === "Stopped" || status?.id === undefined);
      return { verb: "Stop", state: isOff ? "done" : "running", isBeginning: on, message };
    }
    case "Suspended": {
      const isSaved = isCurrent && (status?.phase === "Suspended" || status?.phase === "Stopped");
      return { verb: "Suspend", state: isSaved ? "done" : "running", isBeginning: on, message };
    }
    case "Paused":
      return undefined;
  }
}

function imageView({ status }: VMImage): WorkView {
  const { phase = "Pending", message } = status ?? {};
  if (status?.ready === true) return { verb: "Prepare", state: "done", isBeginning: false, message };
  if (phase === "Failed") return { verb: "Prepare", state: "failed", isBeginning: false, message };
  return { verb: "Prepare", state: "running", isBeginning: phase !== "Pending", message };
}

function groupView({ status }: VMGroup): WorkView | undefined {
  const operation = status?.operation;
  if (operation === undefined) return undefined;
  const { action, phase, startTime, message } = operation;
  const state = phase === "Running" ? "running" : phase === "Succeeded" ? "done" : "failed";
  return { verb: action, state, isBeginning: true, startTime, message };
}

type Phased = KubeObject & { readonly status?: { readonly phase?: string; readonly message?: string } };

function phased(
  { metadata, status }: Phased,
  of: { readonly verb: string; readonly done: readonly string[]; readonly failed: readonly string[] },
): WorkView {
  const phase = status?.phase ?? "Pending";
  const state = of.done.includes(phase) ? "done" : of.failed.includes(phase) ? "failed" : "running";
  return { verb: of.verb, state, isBeginning: true, startTime: metadata.creationTimestamp, message: status?.message };
}
