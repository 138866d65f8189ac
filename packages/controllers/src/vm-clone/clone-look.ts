// What the VMClone controller sees of a clone: what is wished, what is remembered, the source and the target.

import {
  clonedByLabel,
  clonedDisksAnnotation,
  clonesFromAnnotation,
  cloneWishOf,
  linkedToLabel,
  parseDuration,
  unlinkAnnotation,
  vmCloneFinalizer,
} from "@vivarium/api";
import type { CloneWish, Namespace, VirtualMachine, VMClone } from "@vivarium/api";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import type { Cache, Clock, Manager } from "@vivarium/runtime";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import type { BaseSnapshots } from "./base-snapshots.ts";
import { resolveSource } from "./clone-source.ts";
import type { ResolvedSource } from "./clone-source.ts";
import type { SourceObjects } from "./source-objects.ts";
import type { CloneInput, TargetState } from "./vm-clone-plan.ts";
import { cloneRecordOf } from "./vm-clone-record.ts";
import type { CloneRecord } from "./vm-clone-record.ts";

/** What the VMClone controller works with. */
export interface CloneParts {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly tasks: ObjectTasks<readonly ClonedDisk[], CloneProgress>;
  readonly bases: BaseSnapshots;
  readonly objects: SourceObjects;
  readonly namespaces: Cache<Namespace>;
}

export interface CloneLook {
  readonly input: CloneInput;
  readonly wish: CloneWish;
  readonly record: CloneRecord;
  readonly source: ResolvedSource;
  readonly target: VirtualMachine | undefined;
}

export function lookAtClone(parts: CloneParts, object: VMClone): CloneLook {
  const { objects, clock, tasks, bases } = parts;
  const { metadata, spec } = object;
  const wish = cloneWishOf(object);
  const record = cloneRecordOf(object);
  const source = resolveSource(object, { wish, record, objects });
  const target = objects.machine(wish.target);
  const { retryPolicy = {}, timeout = "30m" } = spec.options ?? {};
  const refusal = refusalOf(parts, object, wish);
  const isLinkedNow = target?.metadata.labels?.[linkedToLabel] !== undefined;
  const isAsked = target?.metadata.annotations?.[unlinkAnnotation] !== undefined;
  const isOver = record.stage === "done" || record.stage === "failed" || metadata.deletionTimestamp !== undefined;
  return {
    wish,
    record,
    source,
    target,
    input: {
      nowMs: clock.now(),
      isDeleting: metadata.deletionTimestamp !== undefined,
      hasFinalizer: metadata.finalizers?.includes(vmCloneFinalizer) ?? false,
      stage: record.stage,
      ...(record.target === undefined ? {} : { targetUid: record.target }),
      ...(record.startedMs === undefined ? {} : { startedMs: record.startedMs }),
      timeoutMs: parseDuration(timeout),
      problems: [...wish.problems, ...(refusal === undefined ? [] : [refusal])],
      source: source.state,
      copy: source.copy,
      target: targetStateOf(object, target),
      task: tasks.state(requestOf(object)),
      retries: {
        most: retryPolicy.maxRetries ?? 3,
        delayMs: parseDuration(retryPolicy.retryDelay ?? "10s"),
        multiplier: retryPolicy.backoffMultiplier ?? 2,
      },
      powerOn: wish.powerOn,
      hasIdleBase: isOver && bases.isIdle(object, record.snapshot),
      isUnlinkDue:
        isLinkedNow && !isAsked && !wish.isLinked && target.metadata.uid === record.target && record.stage === "done",
    },
  };
}

/** A machine in another namespace is made by us, and not by the user, so that namespace must agree. */
function refusalOf({ namespaces }: CloneParts, { metadata }: VMClone, { target }: CloneWish): string | undefined {
  const from = metadata.namespace ?? "default";
  if (target.namespace === from) return undefined;
  const agreed = namespaces.get({ namespace: "", name: target.namespace })?.metadata.annotations?.[
    clonesFromAnnotation
  ];
  const names = (agreed ?? "").split(",").map((name) => name.trim());
  if (names.includes("*") || names.includes(from)) return undefined;
  return `spec.target.namespace is "${target.namespace}", which does not take clones from "${from}": its annotation ${clonesFromAnnotation} names those that it does`;
}

function targetStateOf({ metadata }: VMClone, vm: VirtualMachine | undefined): TargetState {
  if (vm === undefined) return { kind: "absent" };
  if (vm.metadata.labels?.[clonedByLabel] !== metadata.uid) return { kind: "foreign" };
  const message = vm.status?.message;
  return {
    kind: "made",
    uid: vm.metadata.uid ?? "",
    isDeleting: vm.metadata.deletionTimestamp !== undefined,
    isPlaced: readRecord(vm.status).madeOn !== undefined,
    hasDisks: vm.metadata.annotations?.[clonedDisksAnnotation]?.startsWith(`${vm.metadata.uid ?? ""}/`) ?? false,
    isDefined: vm.status?.domain !== undefined,
    isOn: vm.status?.powerState === "On",
    ...(message === undefined ? {} : { message }),
  };
}
