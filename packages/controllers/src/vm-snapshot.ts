// The VMSnapshot controller: takes the snapshot of each VMSnapshot object, watches it, lets it go when its time is over, and removes it.
//
//   machines, other snapshots ─┐
//   work in the background ────┼─► observe ─► decide (vm-snapshot-plan.ts) ─► act one step ─┐
//   time ──────────────────────┘      ▲                                                     │
//                                     └─────────────────── until Settle ◄───────────────────┘

import {
  forceDeleteAnnotation,
  formatTime,
  parseDuration,
  Provider,
  snapshotWishOf,
  VirtualMachine,
  VMClone,
  VMSnapshot,
  vmSnapshotFinalizer,
  VMTemplate,
} from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { SnapshotProgress, SnapshotRole, VmIdentity } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager, ReconcileRequest } from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectTasks } from "./steps/object-tasks.ts";
import { reconcileInSteps } from "./steps/reconcile-in-steps.ts";
import type { ObserveOptions } from "./steps/reconcile-in-steps.ts";
import type { OwnStep } from "./steps/step.ts";
import { ObjectNews } from "./object-news.ts";
import { orUnavailable } from "./or-unavailable.ts";
import type { ProviderRegistry } from "./provider-registry.ts";
import { connectionOfMade } from "./vm-host.ts";
import { withDeadline } from "./deadline.ts";
import { identityOf } from "./virtual-machine/resolve/definition.ts";
import { readRecord } from "./virtual-machine/status/stored-record.ts";
import { isIdleBase, usersOfSnapshot } from "./vm-clone/clone-users.ts";
import { decideSnapshot } from "./vm-snapshot-plan.ts";
import type {
  SnapshotInput,
  SnapshotMachine,
  SnapshotSeen,
  SnapshotSituation,
  SnapshotStep,
} from "./vm-snapshot-plan.ts";
import { snapshotRecordOf, snapshotStatusOf } from "./vm-snapshot-status.ts";

export interface VmSnapshotControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const lookDeadlineMs = 20_000;
/** A large memory, or a large disk to be merged, takes long; a host that hangs must not hold a snapshot for ever. */
const workDeadlineMs = 3_600_000;

export function createVmSnapshotController({ manager, providers, clock }: VmSnapshotControllerOptions): Controller {
  const snapshots = manager.cache(VMSnapshot);
  const machines = manager.cache(VirtualMachine);
  const providerObjects = manager.cache(Provider);
  const clones = manager.cache(VMClone);
  const templates = manager.cache(VMTemplate);
  const creations = new ObjectTasks<void, SnapshotProgress>(clock);
  const removals = new ObjectTasks<void, SnapshotProgress>(clock);
  const machineNews = new ObjectNews<VirtualMachine>(({ spec, status }) => [
    status?.domain,
    status?.provider?.["madeOn"],
    status?.host,
    spec.snapshot?.revertToRef?.name,
  ]);
  const siblingNews = new ObjectNews<VMSnapshot>(({ status, spec }) => [spec, status?.phase, status?.isCurrent]);

  interface Look {
    readonly input: SnapshotInput;
    readonly identity: VmIdentity | undefined;
    readonly role: SnapshotRole | undefined;
    readonly expiresAtMs: number | undefined;
  }

  async function observe(object: VMSnapshot, { signal }: ObserveOptions<Look>): Promise<Look> {
    const { metadata, spec } = object;
    const { namespace = "", name, uid = "" } = metadata;
    const request = { namespace, name };
    const record = snapshotRecordOf(object);
    const vm = machines.get({ namespace, name: spec.vmRef.name });
    const machine = machineOf(vm, record.machine);
    const identity = vm === undefined || machine.kind !== "present" ? undefined : identityOf(vm);
    const role = vm && roleOf(vm);
    const expiry = expiryOf(object);
    const users = { clones: clones.list(), machines: machines.list(), templates: templates.list() };
    const input: SnapshotInput = {
      nowMs: clock.now(),
      uid,
      name,
      isDeleting: metadata.deletionTimestamp !== undefined,
      hasFinalizer: metadata.finalizers?.includes(vmSnapshotFinalizer) ?? false,
      isForcedDelete: metadata.annotations?.[forceDeleteAnnotation] === "true",
      stage: record.stage,
      wish: snapshotWishOf(object),
      machine,
      seen: await see({ role, identity, signal, name: spec.vmRef.name }),
      creation: creations.state(request),
      removal: removals.state(request),
      goesWithMachine: spec.retentionPolicy?.deleteOnVMDelete ?? true,
      ...(expiry === undefined ? {} : { expiry }),
      isCrowdedOut: isCrowdedOut(object),
      neededBy: usersOfSnapshot(object, users),
      isIdleBase: isIdleBase(object, users, clock.now()),
    };
    return { input, identity, role, expiresAtMs: expiry?.atMs };
  }

  function machineOf(vm: VirtualMachine | undefined, recorded: string | undefined): SnapshotMachine {
    if (vm === undefined) return { kind: "absent" };
    const { uid = "", deletionTimestamp } = vm.metadata;
    if (recorded !== undefined && recorded !== uid) return { kind: "another" };
    const revertsTo = vm.spec.snapshot?.revertToRef?.name;
    return {
      kind: "present",
      uid,
      isMade: readRecord(vm.status).madeOn !== undefined && vm.status?.domain !== undefined,
      isDeleting: deletionTimestamp !== undefined,
      ...(revertsTo === undefined ? {} : { revertsTo }),
    };
  }

  function roleOf(vm: VirtualMachine): SnapshotRole | undefined {
    const connection = connectionOfMade(vm, (key) => providerObjects.get(key));
    return connection && providers.get(connection)?.snapshots;
  }

  async function see({
    role,
    identity,
    signal,
    name,
  }: Pick<Look, "role" | "identity"> & { readonly signal: AbortSignal; readonly name: string }): Promise<SnapshotSeen> {
    if (identity === undefined) return { kind: "seen", snapshots: [] };
    if (role === undefined) {
      const message = `The Provider of VM "${name}" is not connected, or has no snapshots`;
      return { kind: "unavailable", error: new ProviderError("Unavailable", message) };
    }
    return orUnavailable(async () => {
      const list = await withDeadline((inner) => role.list(identity, { signal: inner }), {
        clock,
        what: `look at the snapshots of VM "${name}"`,
        deadlineMs: lookDeadlineMs,
        signal,
      });
      return { kind: "seen", snapshots: list };
    });
  }

  async function act(
    object: VMSnapshot,
    step: OwnStep<SnapshotStep>,
    { look, signal }: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<void> {
    const { namespace = "", name, uid = "" } = object.metadata;
    switch (step.kind) {
      case "RecordCreating": {
        const situation = { kind: "Creating", startedMs: clock.now() } as const;
        const record = { stage: "creating", machine: step.machine };
        await write(object, look, { situation, signal, record });
        tell(object, "Normal", "SnapshotCreating", "The snapshot is being taken");
        break;
      }
      case "Create":
        work(object, "create", look, (role, identity, options) =>
          role.create(identity, { uid, ...look.input.wish }, options),
        );
        break;
      case "RecordCreated": {
        const seen = look.input.seen.kind === "seen" ? look.input.seen.snapshots : [];
        const snapshot = seen.find((each) => each.uid === uid);
        if (snapshot === undefined) throw new Error(`VMSnapshot "${name}" was seen a moment ago`);
        await creations.stop({ namespace, name });
        const record = { ...object.status?.record, stage: "created" };
        await write(object, look, { situation: { kind: "Ready", snapshot }, signal, record });
        tell(object, "Normal", "SnapshotReady", "The snapshot is taken");
        break;
      }
      case "Remove":
        work(object, "remove", look, (role, identity, options) => role.remove(identity, uid, options));
        break;
      case "Expire":
        tell(object, "Normal", "SnapshotExpired", `${step.why}: it is removed`);
        await manager.client.delete(VMSnapshot, { namespace, name }, { uid, signal });
    }
  }

  function work(
    { metadata }: VMSnapshot,
    op: "create" | "remove",
    { role, identity }: Look,
    run: (
      role: SnapshotRole,
      identity: VmIdentity,
      options: { readonly signal: AbortSignal; readonly onProgress: (progress: SnapshotProgress) => void },
    ) => Promise<void>,
  ): void {
    const { namespace = "", name } = metadata;
    const message = `Cannot ${op} snapshot "${name}": not done within ${workDeadlineMs / 60_000} minutes`;
    const tasks = op === "create" ? creations : removals;
    tasks.start(
      { namespace, name },
      async ({ signal, report }) => {
        if (role === undefined || identity === undefined) {
          throw new ProviderError("Unavailable", `Cannot ${op} snapshot "${name}": its Provider is not connected`);
        }
        await run(role, identity, { signal, onProgress: report });
      },
      { timeoutMs: workDeadlineMs, timeoutError: new ProviderError("Timeout", message) },
    );
  }

  async function write(
    object: VMSnapshot,
    { input, expiresAtMs }: Look,
    {
      situation,
      signal,
      record,
    }: {
      readonly situation: SnapshotSituation;
      readonly signal: AbortSignal;
      readonly record?: Record<string, unknown>;
    },
  ): Promise<void> {
    const seen = input.seen.kind === "seen" ? input.seen.snapshots : [];
    const status = snapshotStatusOf(object, {
      situation,
      siblings: new Map(siblingsOf(object).map((each) => [each.metadata.uid ?? "", each])),
      snapshots: seen,
      isDeleting: input.isDeleting,
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      nowMs: clock.now(),
    });
    const completed = record?.["stage"] === "created" ? { completionTime: formatTime(new Date(clock.now())) } : {};
    const next = { ...status, ...completed, ...(record === undefined ? {} : { record }) };
    await writeStatus(manager.client, { type: VMSnapshot, object, status: next }, { signal });
    const was = object.status?.conditions?.find(({ type }) => type === "Ready");
    const is = next.conditions?.find(({ type }) => type === "Ready");
    if (situation.kind === "Failed" && is !== undefined && is.reason !== was?.reason) {
      tell(object, "Warning", is.reason, is.message);
    }
  }

  /** Of the same machine, itself included. */
  function siblingsOf({ metadata, spec }: VMSnapshot): readonly VMSnapshot[] {
    return snapshots
      .list({ namespace: metadata.namespace ?? "" })
      .filter((each) => each.spec.vmRef.name === spec.vmRef.name);
  }

  function isCrowdedOut(object: VMSnapshot): boolean {
    const { maxCount } = object.spec.retentionPolicy ?? {};
    const { creationTime, phase } = object.status ?? {};
    if (maxCount === undefined || creationTime === undefined || phase === "Deleting" || isPinned(object)) return false;
    const later = siblingsOf(object).filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined &&
        status?.creationTime !== undefined &&
        isLater([status.creationTime, metadata.uid], [creationTime, object.metadata.uid]),
    );
    return later.length >= maxCount;
  }

  function tell(object: VMSnapshot, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(object, { type, reason, message });
  }

  return {
    name: "vm-snapshot",
    for: VMSnapshot,
    related: [
      related(VirtualMachine, (vm) =>
        machineNews.isNews(vm)
          ? snapshots
              .list({ namespace: vm.metadata.namespace ?? "" })
              .filter(({ spec }) => spec.vmRef.name === vm.metadata.name)
              .map(requestOf)
          : [],
      ),
      related(VMSnapshot, (object) => {
        const isGone = object.metadata.deletionTimestamp !== undefined;
        if (!siblingNews.isNews(object) && !isGone) return [];
        return siblingsOf(object)
          .filter(({ metadata }) => metadata.uid !== object.metadata.uid)
          .map(requestOf);
      }),
    ],
    sources: [creations.source, removals.source],
    reconcile: reconcileInSteps<VMSnapshot, Look, OwnStep<SnapshotStep>, SnapshotSituation>(
      {
        type: VMSnapshot,
        finalizer: vmSnapshotFinalizer,
        observe,
        decide: ({ input }) => decideSnapshot(input),
        act,
        report: (object, { situation, look, signal }) => write(object, look, { situation, signal }),
        end: (request) => stopAll(request),
      },
      { manager, clock },
    ),
  };

  async function stopAll(request: ReconcileRequest): Promise<void> {
    for (const tasks of [creations, removals]) await tasks.stop(request);
  }
}

/** Times are of seconds: of two snapshots of one second the uids decide, so that exactly one of them is the later. */
function isLater([time, uid = ""]: Taken, [otherTime, otherUid = ""]: Taken): boolean {
  return time === otherTime ? uid > otherUid : time > otherTime;
}

type Taken = readonly [creationTime: string, uid: string | undefined];

function isPinned({ spec }: VMSnapshot): boolean {
  return spec.metadata?.pinned === true && spec.retentionPolicy?.preservePinned !== false;
}

function expiryOf(object: VMSnapshot): SnapshotInput["expiry"] {
  const { maxAge, gracePeriod } = object.spec.retentionPolicy ?? {};
  const { creationTime } = object.status ?? {};
  if (maxAge === undefined || creationTime === undefined || isPinned(object)) return undefined;
  const atMs = Date.parse(creationTime) + parseDuration(maxAge);
  return { atMs, removeAtMs: atMs + (gracePeriod === undefined ? 0 : parseDuration(gracePeriod)) };
}
