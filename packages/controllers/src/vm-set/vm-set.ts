// The VMSet controller: makes and deletes the machines that the plan names, and says where a rollout stands. Deleting a set leaves its
// machines to the collector, so that `--cascade=orphan` keeps them.

import { isStatus, Provider, VirtualMachine, VMSet, VMSetRevision, Volume, type VMSetTemplate } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import type { ProviderRegistry } from "../provider-registry.ts";
import { unmetGates, VmSetGates } from "./vm-set-gates.ts";
import { readVmSet, type VmSetWish } from "./vm-set-input.ts";
import { buildMachine, isOwnedBy, machineName, viewMachine, type ReplicaView } from "./vm-set-machines.ts";
import { decideVmSet, type RemovalReason, type VmSetDecision } from "./vm-set-plan.ts";
import { ensureRevision, revisionsOf, superfluousRevisions } from "./vm-set-revisions.ts";
import { deadlineOf, refusedStatus, statusOf } from "./vm-set-status.ts";
import { ensureVolumes, keepRetention } from "./vm-set-volumes.ts";

interface Look {
  readonly set: VMSet;
  readonly wish: VmSetWish;
  readonly revisions: readonly VMSetRevision[];
  readonly updateRevision: string;
  readonly currentRevision: string;
  readonly signal: AbortSignal;
}

interface Failure {
  readonly reason: string;
  readonly message: string;
}

interface Outcome extends Look {
  /** After what was made and deleted. */
  readonly there: readonly ReplicaView[];
  readonly isRolledOut: boolean;
  readonly waitingFor: string | undefined;
  readonly failure: Failure | undefined;
}

const retryMs = 10_000;

export function createVmSetController({
  manager,
  providers,
  clock,
  random = Math.random,
}: {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  /** From 0 to 1. */
  readonly random?: () => number;
  readonly clock: Clock;
}): Controller {
  const { client, recorder } = manager;
  const sets = manager.cache(VMSet);
  const machines = manager.cache(VirtualMachine);
  const revisions = manager.cache(VMSetRevision);
  const volumes = manager.cache(Volume);
  const objects = manager.cache(Provider);
  let wake: (request: ReconcileRequest) => void = () => undefined;
  const gates = new VmSetGates({ machines, objects, providers, clock, random, onChange: (set) => wake(set) });

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const set = sets.get(request);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) {
      gates.forget(request);
      return undefined;
    }
    const reading = readVmSet(set);
    if (!reading.ok) {
      const status = refusedStatus(set, { ...reading, nowMs: clock.now() });
      await writeStatus(client, { type: VMSet, object: set, status }, { signal });
      return undefined;
    }
    gates.keep(set, machinesOf(set));
    const look = await lookAt(set, reading.wish, signal);
    const decision = decideVmSet({ ...look.wish, ...look, machines: view(set, reading.wish) });
    const failure = await act(look, decision);
    const there = view(set, look.wish);
    const { waitingFor } = decideVmSet({ ...look.wish, ...look, machines: there });
    const isDone = waitingFor === undefined && failure === undefined;
    const isRolledOut = isDone && there.every((each) => each.revision === look.updateRevision);
    const outcome: Outcome = {
      ...look,
      currentRevision: isRolledOut ? look.updateRevision : look.currentRevision,
      there,
      isRolledOut,
      waitingFor: waitingFor && withReason(waitingFor, there),
      failure,
    };
    await tidy(outcome);
    return report(outcome);
  }

  async function lookAt(set: VMSet, wish: VmSetWish, signal: AbortSignal): Promise<Look> {
    const known = revisionsOf(set, revisions);
    const update = await ensureRevision(client, { set, known }, { signal });
    const updateRevision = update.metadata.name;
    const all = [...known.filter(({ metadata }) => metadata.name !== updateRevision), update];
    const before = set.status?.currentRevision;
    const isKept = before !== undefined && all.some(({ metadata }) => metadata.name === before);
    return { set, wish, signal, revisions: all, updateRevision, currentRevision: isKept ? before : updateRevision };
  }

  function machinesOf(set: VMSet): readonly VirtualMachine[] {
    return machines.list({ namespace: set.metadata.namespace ?? "" }).filter((vm) => isOwnedBy(vm, set));
  }

  function view(set: VMSet, wish: VmSetWish): readonly ReplicaView[] {
    const nowMs = clock.now();
    return machinesOf(set).flatMap((vm) => viewMachine(vm, { ...wish, nowMs, gates: gates.of(set, vm) }) ?? []);
  }

  /** Deletes first: what is deleted makes room. */
  async function act(look: Look, { create, remove }: VmSetDecision): Promise<Failure | undefined> {
    for (const { name, why } of remove) await removeMachine(look, { name, why });
    for (const { ordinal, revision } of create) {
      const failure = await createMachine(look, { ordinal, revision });
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  async function removeMachine(
    { set, signal }: Look,
    { name, why }: { readonly name: string; readonly why: RemovalReason },
  ): Promise<void> {
    const { namespace = "" } = set.metadata;
    const vm = machines.get({ namespace, name });
    if (vm === undefined) return;
    try {
      await client.delete(VirtualMachine, { namespace, name }, { signal, uid: vm.metadata.uid ?? "" });
    } catch (error) {
      if (isStatus(error, "NotFound") || isStatus(error, "Conflict")) return;
      throw error;
    }
    recorder.record(set, {
      type: "Normal",
      reason: "MachineDeleted",
      message: `Deleted VM ${name}: ${whyRemoved[why]}`,
    });
  }

  async function createMachine(
    look: Look,
    { ordinal, revision }: { readonly ordinal: number; readonly revision: string },
  ): Promise<Failure | undefined> {
    const { set, signal } = look;
    const name = machineName(set, ordinal);
    try {
      await ensureVolumes(client, { set, ordinal }, { signal });
      await client.create(
        VirtualMachine,
        buildMachine(set, { ordinal, revision, template: templateOf(look, revision) }),
        { signal },
      );
    } catch (error) {
      const failure = failureOf(error, name);
      if (failure === undefined) throw error;
      recorder.record(set, { type: "Warning", ...failure });
      return failure;
    }
    recorder.record(set, { type: "Normal", reason: "MachineCreated", message: `Created VM ${name} of ${revision}` });
    return undefined;
  }

  async function tidy({
    set,
    wish,
    there,
    revisions: known,
    updateRevision,
    currentRevision,
    signal,
  }: Outcome): Promise<void> {
    const used = new Set([updateRevision, currentRevision, ...there.map(({ revision }) => revision)]);
    const limit = set.spec.revisionHistoryLimit ?? 10;
    const { namespace = "" } = set.metadata;
    for (const { metadata } of superfluousRevisions(known, { used, limit })) {
      await client.delete(VMSetRevision, { namespace, name: metadata.name }, { signal });
    }
    const isNeeded = (ordinal: number): boolean =>
      (ordinal >= wish.start && ordinal < wish.start + wish.replicas) || there.some((each) => each.ordinal === ordinal);
    await keepRetention(client, { set, volumes, isNeeded }, { signal });
  }

  async function report(outcome: Outcome): Promise<ReconcileResult> {
    const { set, there, failure, updateRevision, signal } = outcome;
    const nowMs = clock.now();
    const status = statusOf(set, { ...outcome, machines: there, nowMs });
    const written = await writeStatus(client, { type: VMSet, object: set, status }, { signal });
    if (outcome.isRolledOut && set.status?.updateStatus?.phase === "InProgress") {
      recorder.record(written, {
        type: "Normal",
        reason: "RolloutComplete",
        message: `All machines are of ${updateRevision}`,
      });
    }
    const due = [
      ...there.flatMap(({ changesAtMs }) => changesAtMs ?? []),
      ...(failure === undefined ? [] : [nowMs + retryMs]),
      ...[deadlineOf(set, status)].flatMap((ms) => (ms !== undefined && ms > nowMs ? [ms] : [])),
    ];
    return due.length === 0 ? undefined : { requeueAfterMs: Math.max(0, Math.min(...due) - nowMs) };
  }

  return {
    name: "vm-set",
    for: VMSet,
    related: [
      related(VirtualMachine, (vm) => setsOf(vm)),
      // One that somebody deleted is written again.
      related(VMSetRevision, ({ metadata }) => setsOf({ metadata })),
    ],
    sources: [
      (enqueue, { signal }) => {
        wake = enqueue;
        signal.addEventListener("abort", () => gates.stop(), { once: true });
      },
    ],
    reconcile,
  };
}

const whyRemoved: Readonly<Record<RemovalReason, string>> = {
  Scaled: "fewer machines are wanted",
  Updated: "it is of an earlier template",
  SurgeOver: "the rollout does not need one more any longer",
  Broken: "it was not Ready for longer than spec.healing.unhealthyAfter",
};

function templateOf({ set, revisions: known }: Look, revision: string): VMSetTemplate {
  return known.find(({ metadata }) => metadata.name === revision)?.template ?? set.spec.template;
}

/** A machine that is Ready and yet does not count says nothing of it itself. */
function withReason(waitingFor: string, machines: readonly ReplicaView[]): string {
  const held = machines.find(({ gates }) => unmetGates(gates) !== "");
  return held === undefined ? waitingFor : `${waitingFor} (${held.name}: ${unmetGates(held.gates)})`;
}

/** What only the user, or somebody else, can mend; undefined for what trying again mends. */
function failureOf(error: unknown, name: string): Failure | undefined {
  if (isStatus(error, "AlreadyExists")) {
    return { reason: "NameTaken", message: `VM ${name} is there and not of this set: rename or delete it` };
  }
  if (isStatus(error, "Forbidden") || isStatus(error, "Invalid")) {
    return { reason: "CreateRefused", message: `VM ${name} was refused: ${error.message}` };
  }
  return undefined;
}

function setsOf({ metadata }: Pick<VirtualMachine, "metadata">): readonly ReconcileRequest[] {
  const owner = (metadata.ownerReferences ?? []).find((each) => each.kind === VMSet.kind && each.controller === true);
  return owner === undefined ? [] : [{ namespace: metadata.namespace ?? "", name: owner.name }];
}
