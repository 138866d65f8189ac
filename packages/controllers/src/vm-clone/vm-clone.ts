// The VMClone controller: makes the VirtualMachine of each VMClone object, and the disks that it begins with.
//
//   source, snapshot, target ──┐
//   work in the background ────┼─► observe ─► decide (vm-clone-plan.ts) ─► act one step ─┐
//   time ──────────────────────┘      ▲                                                 │
//                                     └─────────────── until Settle ◄───────────────────┘

import {
  cloneBaseLabel,
  clonedByLabel,
  clonedDisksAnnotation,
  clonesFromAnnotation,
  cloneWishOf,
  formatTime,
  isStatus,
  linkedToLabel,
  Namespace,
  parseDuration,
  Provider,
  unlinkAnnotation,
  VirtualMachine,
  VMClone,
  vmCloneFinalizer,
  VMImage,
  VMSnapshot,
  VMTemplate,
} from "@vivarium/api";
import type { CloneWish } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager } from "@vivarium/runtime";
import { ObjectNews } from "../object-news.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/reconcile-in-steps.ts";
import { Turns } from "../turns.ts";
import { formatClonedDisks } from "../virtual-machine/resolve/cloned-disks.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import { connectionOfVm } from "../vm-host.ts";
import { baseFor } from "./clone-base.ts";
import { resolveSource } from "./clone-source.ts";
import type { ResolvedSource, SourceObjects } from "./clone-source.ts";
import { targetOf } from "./clone-target.ts";
import { usersOfSnapshot } from "./clone-users.ts";
import { decideClone } from "./vm-clone-plan.ts";
import type { CloneInput, CloneSituation, CloneStep, TargetState } from "./vm-clone-plan.ts";
import { cloneRecordOf } from "./vm-clone-record.ts";
import type { CloneRecord } from "./vm-clone-record.ts";
import { cloneStatusOf } from "./vm-clone-status.ts";

export interface VmCloneControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const mostSteps = 30;
/** Many clones of one source come at once; each is a handful of quick calls. */
const concurrency = 8;

export function createVmCloneController({ manager, providers, clock }: VmCloneControllerOptions): Controller {
  const clones = manager.cache(VMClone);
  const machines = manager.cache(VirtualMachine);
  const snapshots = manager.cache(VMSnapshot);
  const images = manager.cache(VMImage);
  const templates = manager.cache(VMTemplate);
  const providerObjects = manager.cache(Provider);
  const namespaces = manager.cache(Namespace);
  const turns = new Turns();
  const tasks = new ObjectTasks<readonly ClonedDisk[], CloneProgress>(clock);
  const objects: SourceObjects = {
    machine: (key) => machines.get(key),
    snapshot: (key) => snapshots.get(key),
    image: (key) => images.get(key),
    templates: () => templates.list(),
    provider: (key) => providerObjects.get(key),
    providers: () => providerObjects.list(),
  };

  interface Look {
    readonly input: CloneInput;
    readonly wish: CloneWish;
    readonly record: CloneRecord;
    readonly source: ResolvedSource;
    readonly target: VirtualMachine | undefined;
  }

  function observe(object: VMClone): Look {
    const { metadata, spec } = object;
    const wish = cloneWishOf(object);
    const record = cloneRecordOf(object);
    const source = resolveSource(object, { wish, record, objects });
    const target = machines.get(wish.target);
    const { retryPolicy = {}, timeout = "30m" } = spec.options ?? {};
    const refusal = refusalOf(object, wish);
    const isLinkedNow = target?.metadata.labels?.[linkedToLabel] !== undefined;
    const isAsked = target?.metadata.annotations?.[unlinkAnnotation] !== undefined;
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
        hasIdleBase: hasIdleBase(object, record),
        isUnlinkDue:
          isLinkedNow && !isAsked && !wish.isLinked && target.metadata.uid === record.target && record.stage === "done",
      },
    };
  }

  /** A machine in another namespace is made by us, and not by the user, so that namespace must agree. */
  function refusalOf({ metadata }: VMClone, { target }: CloneWish): string | undefined {
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

  /** Of a snapshot that was taken for clones, and that nothing needs when this one does not. */
  function hasIdleBase({ metadata }: VMClone, { stage, snapshot }: CloneRecord): boolean {
    const isOver = stage === "done" || stage === "failed" || metadata.deletionTimestamp !== undefined;
    if (!isOver || snapshot?.isBase !== true) return false;
    const object = snapshots.get({ namespace: metadata.namespace ?? "", name: snapshot.name });
    if (object?.metadata.uid !== snapshot.uid || object.metadata.deletionTimestamp !== undefined) return false;
    const others = clones.list().filter((clone) => clone.metadata.uid !== metadata.uid);
    return (
      usersOfSnapshot(object, { clones: others, machines: machines.list(), templates: templates.list() }).length === 0
    );
  }

  async function act(
    object: VMClone,
    step: OwnStep<CloneStep>,
    { look, signal }: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<void> {
    const { client } = manager;
    const { record, wish } = look;
    const remember = (next: CloneRecord, situation: CloneSituation): Promise<void> =>
      write(object, { ...look, record: next }, { situation, signal });
    switch (step.kind) {
      case "RecordStart":
        await remember(
          { ...record, startedMs: clock.now() },
          { kind: "Preparing", message: "The source is looked at" },
        );
        break;
      case "TakeBase": {
        const base = look.source.snapshot ?? (await takeBase(object, signal));
        const { name, uid = "" } = base.metadata;
        const isBase = base.metadata.labels?.[cloneBaseLabel] !== undefined;
        const next = { ...record, snapshot: { name, uid, isBase } };
        await remember(next, { kind: "Preparing", message: `Snapshot "${name}" is what it is made from` });
        break;
      }
      case "CreateTarget":
        await createTarget(object, look, signal);
        break;
      case "RecordTarget":
        await remember(
          { ...record, stage: "copying", target: step.uid },
          { kind: "Preparing", message: "The target is being prepared" },
        );
        break;
      case "Copy":
        copy(object, look);
        break;
      case "RecordCopied": {
        await tellTarget(look, { disks: step.disks, signal });
        await remember({ ...record, stage: "copied" }, { kind: "Customizing", message: "The target is being made" });
        await tasks.stop(requestOf(object));
        break;
      }
      case "ReleaseBase": {
        const { name = "", uid = "" } = record.snapshot ?? {};
        await unlessGone(
          client.delete(VMSnapshot, { namespace: object.metadata.namespace ?? "", name }, { uid, signal }),
        );
        break;
      }
      case "Finish":
        await remember({ ...record, stage: "done" }, { kind: "Ready" });
        tell(
          object,
          "Normal",
          "CloneCompleted",
          `VirtualMachine "${wish.target.name}" is made from ${look.source.name}`,
        );
        break;
      case "AskUnlink": {
        const annotations = { [unlinkAnnotation]: formatTime(new Date(clock.now())) };
        await client.mergePatch(VirtualMachine, wish.target, { metadata: { annotations } }, { signal });
        break;
      }
      case "Fail":
        await fail(object, look, { ...step, signal });
        break;
      case "StopCopy":
        await tasks.stop(requestOf(object));
        break;
      case "DeleteTarget": {
        const uid = look.target?.metadata.uid ?? "";
        await unlessGone(client.delete(VirtualMachine, wish.target, { uid, signal }));
      }
    }
  }

  async function takeBase(object: VMClone, signal: AbortSignal): Promise<VMSnapshot> {
    const source = cloneWishOf(object).source?.kind === "vm" ? cloneWishOf(object).source : undefined;
    const name = source?.kind === "vm" ? source.name : "";
    const { namespace = "" } = object.metadata;
    // One after the other, so that clones which were asked for together share one.
    return turns.run(`${namespace}/${name}`, async () => {
      const base = baseFor(object, name, snapshots.list({ namespace }));
      if (base.kind === "there") return base.snapshot;
      return manager.client.create(VMSnapshot, base.snapshot, { signal });
    });
  }

  async function createTarget(object: VMClone, look: Look, signal: AbortSignal): Promise<void> {
    const { origin } = look.source;
    if (origin === undefined) throw new Error(`The source of VMClone "${object.metadata.name}" was there a moment ago`);
    const { vm, leftOut, problems } = targetOf(object, look.wish, origin);
    if (problems.length > 0) {
      await fail(object, look, { reason: "InvalidSpec", message: problems.join("; "), signal });
      return;
    }
    const told = [...leftOut, ...look.wish.notApplied];
    try {
      const made = await manager.client.create(VirtualMachine, vm, { signal });
      const next: Look = {
        ...look,
        target: made,
        record: { ...look.record, stage: "copying", target: made.metadata.uid ?? "" },
      };
      const situation = { kind: "Preparing", message: "The target is being prepared" } as const;
      await write(object, next, { situation, signal, leftOut: told });
    } catch (error) {
      if (isStatus(error, "AlreadyExists")) {
        // Ours, of an earlier try, is seen in a moment.
        const there = await manager.client.get(VirtualMachine, look.wish.target, { signal });
        if (there.metadata.labels?.[clonedByLabel] === object.metadata.uid) return;
        const message = `VirtualMachine "${look.wish.target.name}" exists already`;
        await fail(object, look, { reason: "TargetExists", message, signal });
        return;
      }
      if (!isStatus(error, "Invalid") && !isStatus(error, "Forbidden") && !isStatus(error, "NotFound")) throw error;
      await fail(object, look, { reason: "TargetRefused", message: error.message, signal });
    }
  }

  async function fail(
    object: VMClone,
    look: Look,
    { reason, message, signal }: { readonly reason: string; readonly message: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const record: CloneRecord = { ...look.record, stage: "failed", failure: { reason, message } };
    await write(object, { ...look, record }, { situation: { kind: "CleaningUp" }, signal });
    tell(object, "Warning", reason, message);
  }

  function copy(object: VMClone, { source, target, wish, input }: Look): void {
    const { name } = object.metadata;
    const deadlineMs = Math.max(1_000, (input.startedMs ?? 0) + input.timeoutMs - clock.now());
    const timeoutError = new ProviderError("Timeout", `Cannot copy the disks of clone "${name}" in its time`);
    const { from, copy } = source;
    tasks.start(
      requestOf(object),
      async ({ signal, report }) => {
        const provider = target && providerObjects.get(providerKeyOf(target));
        const connection = from?.connection ?? (provider && connectionOfVm(target, provider));
        const role = connection && providers.get(connection)?.clones;
        if (role === undefined || target === undefined) {
          throw new ProviderError(
            "Unavailable",
            `Cannot clone: the source's Provider is not connected, or has no clones`,
          );
        }
        const options = { signal, onProgress: report };
        if (copy !== "before-domain" || from === undefined) {
          await role.unlink(identityOf(target), options);
          return [];
        }
        const method = wish.isLinked ? "linked" : "full";
        return role.create(identityOf(target), { method, source: from.source }, options);
      },
      { timeoutMs: deadlineMs, timeoutError },
    );
  }

  /** Says on the target itself that its disks are whole. */
  async function tellTarget(
    { source, target, wish }: Look,
    { disks, signal }: { readonly disks: readonly ClonedDisk[]; readonly signal: AbortSignal },
  ): Promise<void> {
    if (target === undefined) return;
    if (source.copy === "after-domain" && wish.powerOn) {
      await manager.client.mergePatch(VirtualMachine, wish.target, { spec: { powerState: "On" } }, { signal });
    }
    if (source.copy !== "before-domain" || disks.length === 0) return;
    const { uid = "" } = target.metadata;
    const names = disks.map(({ name }) => name);
    const annotations = { [clonedDisksAnnotation]: formatClonedDisks(uid, names) };
    await manager.client.mergePatch(VirtualMachine, wish.target, { metadata: { uid, annotations } }, { signal });
  }

  async function write(
    object: VMClone,
    { wish, record, source, target }: Look,
    {
      situation,
      signal,
      leftOut,
    }: { readonly situation: CloneSituation; readonly signal: AbortSignal; readonly leftOut?: readonly string[] },
  ): Promise<void> {
    const mine = target !== undefined && target.metadata.uid === record.target ? target : undefined;
    const { namespace = "" } = object.metadata;
    const status = cloneStatusOf(object, {
      situation,
      record,
      wish,
      sourceName: source.name,
      snapshot: record.snapshot && snapshots.get({ namespace, name: record.snapshot.name }),
      targetVmId: mine?.status?.id,
      isLinked: mine && isLinkedNow(mine, source),
      nowMs: clock.now(),
    });
    const disks = mine?.metadata.annotations?.[clonedDisksAnnotation]?.split("/")[1]?.split(",");
    const next = {
      ...status,
      ...(disks === undefined ? {} : { disks }),
      ...(leftOut === undefined || leftOut.length === 0 ? {} : { leftOut: [...leftOut] }),
    };
    await writeStatus(manager.client, { type: VMClone, object, status: next }, { signal });
  }

  function tell(object: VMClone, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(object, { type, reason, message });
  }

  const machineNews = new ObjectNews<VirtualMachine>(({ metadata, status }) => [
    metadata.labels,
    metadata.annotations,
    status?.domain,
    status?.powerState,
    status?.message,
    status?.provider?.["madeOn"],
  ]);
  const templateNews = new ObjectNews<VMTemplate>(({ status }) => status?.phase);
  const snapshotNews = new ObjectNews<VMSnapshot>(({ status }) => [status?.phase, status?.message]);

  return {
    name: "vm-clone",
    for: VMClone,
    concurrency,
    related: [
      related(VirtualMachine, (vm) => {
        if (!machineNews.isNews(vm) && vm.metadata.deletionTimestamp === undefined) return [];
        const { namespace = "", name } = vm.metadata;
        return clones
          .list()
          .filter((clone) => concernsMachine(clone, { namespace, name }))
          .map(requestOf);
      }),
      related(VMSnapshot, (snapshot) => {
        if (!snapshotNews.isNews(snapshot) && snapshot.metadata.deletionTimestamp === undefined) return [];
        const { namespace = "", name } = snapshot.metadata;
        return clones
          .list({ namespace })
          .filter(
            (clone) => cloneRecordOf(clone).snapshot?.name === name || clone.spec.source?.snapshotRef?.name === name,
          )
          .map(requestOf);
      }),
      related(VMTemplate, (template) =>
        templateNews.isNews(template)
          ? clones
              .list()
              .filter((clone) => cloneRecordOf(clone).stage === "none" && clone.spec.source?.templateRef !== undefined)
              .map(requestOf)
          : [],
      ),
      related(VMImage, (image) =>
        clones
          .list()
          .filter(
            (clone) =>
              cloneRecordOf(clone).stage === "none" && clone.spec.source?.imageRef?.name === image.metadata.name,
          )
          .map(requestOf),
      ),
    ],
    sources: [tasks.source],
    reconcile: reconcileInSteps<VMClone, Look, OwnStep<CloneStep>, CloneSituation>(
      {
        type: VMClone,
        finalizer: vmCloneFinalizer,
        mostSteps,
        observe,
        decide: ({ input }) => decideClone(input),
        act,
        report: (object, { situation, look, signal }) => write(object, look, { situation, signal }),
        end: (request) => tasks.stop(request),
      },
      { manager, clock },
    ),
  };
}

/** As its source while it is not made, or as its target. */
function concernsMachine(clone: VMClone, { namespace, name }: { readonly namespace: string; readonly name: string }) {
  const { source, target } = cloneWishOf(clone);
  if (target.namespace === namespace && target.name === name) return true;
  const isSource = source?.kind === "vm" && source.name === name && clone.metadata.namespace === namespace;
  return isSource && cloneRecordOf(clone).stage === "none";
}

function isLinkedNow(target: VirtualMachine, { copy }: ResolvedSource): boolean {
  return copy === "none" || target.metadata.labels?.[linkedToLabel] !== undefined;
}

function providerKeyOf(vm: VirtualMachine): { readonly namespace: string; readonly name: string } {
  const [namespace = "", name = ""] = (readRecord(vm.status).madeOn ?? "").split("/");
  return { namespace, name };
}

async function unlessGone(deleting: Promise<unknown>): Promise<void> {
  try {
    await deleting;
  } catch (error) {
    if (!isStatus(error, "NotFound") && !isStatus(error, "Conflict")) throw error;
  }
}
