// Carries out the plan of a move to another host: looks, decides, takes one step, looks again.

import { parseDuration, parseQuantity, VirtualMachine, VMMigration, vmMigrationFinalizer } from "@vivarium/api";
import type { Host, Provider, VMMigrationStatus, VMSnapshot } from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type {
  MoveObstacle,
  MoveProgress,
  MoveReport,
  MoveSide,
  MoveTuning,
  Provider as OpenProvider,
} from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import type { Cache, Clock, Manager } from "@vivarium/runtime";
import { withDeadline } from "../deadline.ts";
import type { MachineTurns } from "../machine-turns.ts";
import type { Placer } from "../placement/placer.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import type { SteppedKind } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { isBeingSnapshotted } from "../virtual-machine/plan/revert-plan.ts";
import { gracefulTimeoutOf, identityOf, resolveProvider } from "../virtual-machine/resolve/definition.ts";
import type { RelatedObjects } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import { hostOfVm } from "../vm-host.ts";
import { blockersByObjects } from "./blockers.ts";
import { decideHostMove } from "./host-move-plan.ts";
import type {
  HostMoveInput,
  HostMoveStep,
  MoveCheckResult,
  MoveMachine,
  MoveMode,
  MoveSituation,
} from "./host-move-plan.ts";
import { moveStatusOf } from "./host-move-status.ts";
import type { MoveNews } from "./host-move-status.ts";
import { moveMachine } from "./host-move-work.ts";
import { withMoving, withoutMoving } from "./moving.ts";
import type { Moving } from "./moving.ts";
import { migrationRecordOf } from "./vm-migration-record.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export interface HostMoveParts {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly turns: MachineTurns;
  readonly tasks: ObjectTasks<MoveReport, MoveProgress>;
  readonly placer: Placer;
  readonly migrations: Cache<VMMigration>;
  readonly machines: Cache<VirtualMachine>;
  readonly hosts: Cache<Host>;
  readonly snapshots: Cache<VMSnapshot>;
  readonly related: Pick<RelatedObjects, "providers" | "provider" | "vmClass">;
}

const lookDeadlineMs = 60_000;
/** Copies may have to be removed. */
const settleDeadlineMs = 300_000;

/** What one reconcile finds out by asking hypervisors. */
interface Found {
  check?: MoveCheckResult;
  sides?: HostMoveInput["sides"];
}

interface Look {
  readonly input: HostMoveInput;
  readonly found: Found;
}

export type HostMoveKind = SteppedKind<VMMigration, Look, OwnStep<HostMoveStep>, MoveSituation>;

export function hostMoveKind(parts: HostMoveParts): HostMoveKind {
  return {
    type: VMMigration,
    finalizer: vmMigrationFinalizer,
    observe(object, { before }) {
      const found = before?.found ?? {};
      return { found, input: inputOf(parts, object, found) };
    },
    decide: ({ input }) => decideHostMove(input),
    act: (object, step, { look: { found }, signal }) => act(parts, object, { step, found, signal }),
    report: (object, { situation, signal }) => report(parts, object, { situation, signal }),
    end: (request) => parts.tasks.stop(request),
  };
}

function inputOf(parts: HostMoveParts, object: VMMigration, found: Found): HostMoveInput {
  const { metadata, spec } = object;
  const record = migrationRecordOf(object);
  const retry = spec.options?.retryPolicy;
  const { failure, failedAtMs } = record;
  return {
    nowMs: parts.clock.now(),
    isDeleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(vmMigrationFinalizer) ?? false,
    isCancelled: spec.cancel === true,
    stage: record.stage,
    to: spec.target.host ?? "",
    failedAttempts: record.failedAttempts,
    ...(failedAtMs === undefined ? {} : { failedAtMs }),
    ...(failure === undefined ? {} : { failure }),
    retries: {
      maxRetries: retry?.maxRetries ?? (retry === undefined ? 0 : 3),
      delayMs: parseDuration(retry?.retryDelay ?? "5m"),
      multiplier: retry?.backoffMultiplier ?? 2,
    },
    startedAtMs: record.startedAtMs ?? parts.clock.now(),
    timeoutMs: parseDuration(spec.options?.timeout ?? "4h"),
    machine: machineOf(parts, object, record),
    task: parts.tasks.state(requestOf(object)),
    ...(found.check === undefined ? {} : { check: found.check }),
    ...(found.sides === undefined ? {} : { sides: found.sides }),
  };
}

function machineOf(parts: HostMoveParts, object: VMMigration, record: MigrationRecord): MoveMachine {
  const vm = vmOf(parts, object);
  if (vm === undefined) return { kind: "absent" };
  if (record.machine !== undefined && record.machine !== vm.metadata.uid) return { kind: "another" };
  const uid = vm.status?.moving?.uid;
  const { provider } = placeOf(parts, vm);
  return {
    kind: "present",
    isDeleting: vm.metadata.deletionTimestamp !== undefined,
    moving: uid === undefined ? "nobody" : uid === object.metadata.uid ? "mine" : "another",
    host: provider && hostOfVm(vm, provider),
  };
}

function vmOf({ machines }: HostMoveParts, { metadata, spec }: VMMigration): VirtualMachine | undefined {
  return machines.get({ namespace: metadata.namespace ?? "", name: spec.source.vmRef.name });
}

interface Place {
  readonly provider: Provider | undefined;
  readonly open: (host: string) => OpenProvider | undefined;
}

function placeOf({ related, providers }: HostMoveParts, vm: VirtualMachine): Place {
  const resolved = resolveProvider(vm, related, readRecord(vm.status).madeOn);
  const provider = resolved.ok ? resolved.value : resolved.made;
  const { namespace = "", name = "" } = provider?.metadata ?? {};
  return { provider, open: (host) => (provider === undefined ? undefined : providers.get({ namespace, name, host })) };
}

async function act(
  parts: HostMoveParts,
  object: VMMigration,
  {
    step,
    found,
    signal,
  }: { readonly step: OwnStep<HostMoveStep>; readonly found: Found; readonly signal: AbortSignal },
): Promise<void> {
  const { tasks } = parts;
  switch (step.kind) {
    case "Check":
      found.check = await check(parts, object, signal);
      return;
    case "Begin":
      await begin(parts, object, { check: step.check, signal });
      return;
    case "StopWork":
      await tasks.stop(requestOf(object));
      return;
    case "SettleSides": {
      const moving = vmOf(parts, object)?.status?.moving;
      if (moving === undefined) return;
      found.sides = await sidesOf(parts, object, { moving, signal });
      return;
    }
    case "Land":
      await land(parts, object, { step, signal });
      delete found.sides;
      return;
    case "End": {
      const { outcome } = step;
      const record = { ...migrationRecordOf(object), stage: "ended" } as const;
      const task = tasks.state(requestOf(object));
      const downtimeMs = task.kind === "done" ? task.result.downtimeMs : undefined;
      await write(parts, object, {
        news: { kind: "End", outcome },
        record: { ...record, startedAtMs: record.startedAtMs ?? parts.clock.now() },
        ...(downtimeMs === undefined ? {} : { downtimeMs }),
        signal,
      });
      await tasks.stop(requestOf(object));
      tellEnd(parts, object, outcome.kind);
    }
  }
}

async function check(parts: HostMoveParts, object: VMMigration, signal: AbortSignal): Promise<MoveCheckResult> {
  const vm = vmOf(parts, object);
  const { host: to = "" } = object.spec.target;
  const wanted = object.spec.options?.mode ?? "Auto";
  const none = { mode: wanted === "Offline" ? "Offline" : "Live", storage: "shared" } as const;
  if (vm === undefined) return { ...none, blockers: [] };
  const { provider, open } = placeOf(parts, vm);
  if (provider === undefined) {
    const message = "the Provider of the machine does not exist";
    return { ...none, blockers: [{ reason: "ProviderNotFound", message, isTemporary: true }] };
  }
  const from = hostOfVm(vm, provider);
  const source = from === undefined ? undefined : open(from);
  const target = open(to);
  const { namespace = "" } = provider.metadata;
  const blockers = blockersByObjects({
    vm,
    provider,
    from,
    to,
    target: parts.hosts.get({ namespace, name: to }),
    placement: parts.placer.whyNotTo(vm, { provider, to }),
    isBeingSnapshotted: isBeingSnapshotted(vm, parts.snapshots.list({ namespace: vm.metadata.namespace ?? "" })),
    isConnected: { from: source !== undefined, to: target !== undefined },
  });
  if (source === undefined || target === undefined) return { ...none, blockers };
  if (source.migration === undefined || target.migration === undefined) {
    const message = `hypervisors of type "${source.type}" cannot move machines`;
    return { ...none, blockers: [...blockers, { reason: "Unsupported", message }] };
  }
  try {
    const [role, goal] = [source.migration, target.migration.target];
    const identity = identityOf(vm);
    return await withDeadline(
      async (inner) => {
        const seen = await source.compute.observe(identity, { signal: inner });
        const isOn = seen.kind === "present" && seen.power !== "off" && seen.power !== "crashed";
        const mode: MoveMode = wanted === "Auto" ? (isOn ? "Live" : "Offline") : wanted;
        const { copyStorage, postCopy } = object.spec.options ?? {};
        const outlook = await role.check(
          identity,
          {
            to: goal,
            mode: mode === "Live" ? "live" : "offline",
            ...(copyStorage === undefined ? {} : { copyStorage }),
            ...(postCopy === undefined ? {} : { postCopy }),
          },
          { signal: inner },
        );
        // It is shut down for that.
        const counts = ({ reason }: MoveObstacle): boolean =>
          !(mode === "Offline" && isOn && reason === "MachineRunning");
        return { mode, storage: outlook.storage, blockers: [...blockers, ...outlook.obstacles.filter(counts)] };
      },
      {
        clock: parts.clock,
        what: `check the move of VM "${identity.name}"`,
        deadlineMs: lookDeadlineMs,
        signal,
      },
    );
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const isTemporary = error.code === "Unavailable" || error.code === "Timeout" || error.code === "Internal";
    return { ...none, blockers: [...blockers, { reason: error.code, message: error.message, isTemporary }] };
  }
}

/** The record of the migration first, then that of the machine: from the second on the machine is the migration's. */
async function begin(
  parts: HostMoveParts,
  object: VMMigration,
  { check: { mode, storage }, signal }: { readonly check: MoveCheckResult; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, turns, clock, tasks } = parts;
  const vm = vmOf(parts, object);
  const { provider, open } = vm === undefined ? { provider: undefined, open: () => undefined } : placeOf(parts, vm);
  const from = vm && provider && hostOfVm(vm, provider);
  const { host: to = "" } = object.spec.target;
  if (vm === undefined || provider === undefined || from === undefined) return;
  const source = open(from);
  const goal = open(to)?.migration?.target;
  if (source === undefined || goal === undefined) throw new ProviderError("Unavailable", "Cannot begin: a host left");
  const { failure: _, ...known } = migrationRecordOf(object);
  const isShutDown = mode === "Offline" && vm.status?.powerState !== "Off";
  const record: MigrationRecord = {
    ...known,
    stage: "moving",
    machine: vm.metadata.uid ?? "",
    startedAtMs: known.startedAtMs ?? clock.now(),
    ...(isShutDown ? { wasShutDown: true } : {}),
  };
  const facts = { from, mode, storage: storage === "shared" ? ("Shared" as const) : ("Copied" as const) };
  const written = await write(parts, object, { news: { kind: "Began" }, record, ...facts, signal });
  await turns.run(vm.metadata.uid ?? "", async () => {
    // What its own controller did until now is done; what it read may be older.
    const current = vmOf(parts, object);
    if (current === undefined || current.metadata.uid !== vm.metadata.uid || current.status?.moving !== undefined)
      return;
    const moving: Moving = {
      migration: object.metadata.name,
      uid: object.metadata.uid ?? "",
      to,
      ...facts,
      since: written.status?.startTime ?? "",
    };
    // Others may have begun to move there since it was checked. From here on nothing comes between.
    const lacking = parts.placer.claimTarget(current, { provider, to });
    if (lacking.length > 0) {
      const why = lacking.map((each) => each.message).join(", and ");
      throw new ProviderError("NoSpace", `Cannot begin: host "${to}" is full by now, ${why}`);
    }
    const status = withMoving(current.status, moving, clock.now());
    await writeStatus(manager.client, { type: VirtualMachine, object: current, status }, { signal });
    const timeout = gracefulTimeoutOf(current);
    const timeoutMs = parseDuration(object.spec.options?.timeout ?? "4h");
    const message = `Cannot move VM "${vm.metadata.name}": not done within ${Math.round(timeoutMs / 1000)} s`;
    await tasks.stop(requestOf(object));
    tasks.start(
      requestOf(object),
      ({ signal: ended, report }) =>
        moveMachine({
          source,
          vm: identityOf(current),
          move: { to: goal, mode: mode === "Live" ? "live" : "offline", storage, tuning: tuningOf(object) },
          ...(isShutDown ? { shutdownMs: timeout.ok ? timeout.value : 60_000 } : {}),
          clock,
          signal: ended,
          report,
        }),
      { timeoutMs, timeoutError: new ProviderError("Conflict", message) },
    );
  });
  tell(parts, object, "Normal", "ValidationComplete", `The machine is moved from host "${from}" to host "${to}"`);
}

function tuningOf({ spec: { options } }: VMMigration): MoveTuning {
  const { maxDowntime, maxBandwidth, autoConverge, postCopy, compress } = options ?? {};
  return {
    ...(maxDowntime === undefined ? {} : { maxDowntimeMs: parseDuration(maxDowntime) }),
    ...(maxBandwidth === undefined ? {} : { maxBytesPerSecond: parseQuantity(maxBandwidth) }),
    ...(autoConverge === undefined ? {} : { autoConverge }),
    ...(postCopy === undefined ? {} : { postCopy }),
    ...(compress === undefined ? {} : { compress }),
  };
}

async function sidesOf(
  parts: HostMoveParts,
  object: VMMigration,
  { moving, signal }: { readonly moving: Moving; readonly signal: AbortSignal },
): Promise<NonNullable<HostMoveInput["sides"]>> {
  const vm = vmOf(parts, object);
  if (vm === undefined) return { side: "neither" };
  try {
    return { side: await settleSides(parts, vm, { moving, signal }) };
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return { error };
  }
}

/** Both hosts have to answer: where one does not, nobody knows. */
export async function settleSides(
  parts: HostMoveParts,
  vm: VirtualMachine,
  { moving, signal }: { readonly moving: Moving; readonly signal: AbortSignal },
): Promise<MoveSide> {
  const { open } = placeOf(parts, vm);
  const [role, target] = [open(moving.from)?.migration, open(moving.to)?.migration?.target];
  if (role === undefined || target === undefined) {
    const away = role === undefined ? moving.from : moving.to;
    throw new ProviderError("Unavailable", `host "${away}" is not connected`);
  }
  const move = {
    to: target,
    mode: moving.mode === "Live" ? "live" : "offline",
    storage: moving.storage === "Shared" ? "shared" : "copied",
  } as const;
  return withDeadline((inner) => role.settle(identityOf(vm), move, { signal: inner }), {
    clock: parts.clock,
    what: `find out on which host VM "${vm.metadata.name}" is`,
    deadlineMs: settleDeadlineMs,
    signal,
  });
}

async function land(
  parts: HostMoveParts,
  object: VMMigration,
  { step, signal }: { readonly step: Extract<HostMoveStep, { kind: "Land" }>; readonly signal: AbortSignal },
): Promise<void> {
  const { clock } = parts;
  const { failure } = step;
  const record = migrationRecordOf(object);
  if (failure !== undefined) {
    const isInterrupted = failure.reason === "Interrupted" || failure.reason === "Cancelled";
    const failedAttempts = record.failedAttempts + (isInterrupted ? 0 : 1);
    const next = { ...record, failure, failedAttempts, failedAtMs: clock.now() };
    await write(parts, object, { news: { kind: "Unsettled", message: failure.message }, record: next, signal });
    if (!isInterrupted) tell(parts, object, "Warning", "RetryingMigration", failure.message);
  }
  const vm = vmOf(parts, object);
  if (vm?.status?.moving === undefined) return;
  await giveBack(parts, vm, { side: step.side, wasShutDown: record.wasShutDown === true, signal });
}

export async function giveBack(
  { manager, turns, clock }: HostMoveParts,
  vm: VirtualMachine,
  {
    side,
    wasShutDown,
    signal,
  }: { readonly side: MoveSide; readonly wasShutDown: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const moving = vm.status?.moving;
  if (vm.status === undefined || moving === undefined) return;
  const host = side === "target" ? moving.to : moving.from;
  const status = withoutMoving(vm.status, { host, wasShutDown, nowMs: clock.now() });
  await writeStatus(manager.client, { type: VirtualMachine, object: vm, status }, { signal });
  turns.giveBack(requestOf(vm));
}

async function report(
  parts: HostMoveParts,
  object: VMMigration,
  { situation, signal }: { readonly situation: MoveSituation; readonly signal: AbortSignal },
): Promise<void> {
  // What was told at its end stays.
  if (situation.kind === "Ended") return;
  const known = migrationRecordOf(object);
  const record = { ...known, startedAtMs: known.startedAtMs ?? parts.clock.now() };
  await write(parts, object, { news: situation, record, signal });
}

async function write(
  parts: HostMoveParts,
  object: VMMigration,
  {
    signal,
    ...status
  }: {
    readonly news: MoveNews;
    readonly record: MigrationRecord;
    readonly from?: string;
    readonly mode?: MoveMode;
    readonly storage?: NonNullable<VMMigrationStatus["storage"]>;
    readonly downtimeMs?: number;
    readonly signal: AbortSignal;
  },
): Promise<VMMigration> {
  const { host: to = "" } = object.spec.target;
  const next = moveStatusOf(object, { ...status, to, nowMs: parts.clock.now() });
  return writeStatus(parts.manager.client, { type: VMMigration, object, status: next }, { signal });
}

function tellEnd(
  parts: HostMoveParts,
  object: VMMigration,
  outcome: "Moved" | "AlreadyThere" | "Cancelled" | "Blocked" | "Failed",
): void {
  const current = parts.migrations.get(requestOf(object)) ?? object;
  const message = current.status?.message ?? "";
  switch (outcome) {
    case "Moved":
    case "AlreadyThere":
      tell(parts, object, "Normal", "MigrationComplete", message);
      return;
    case "Cancelled":
      tell(parts, object, "Normal", "MigrationCancelled", message);
      return;
    case "Blocked":
    case "Failed":
      tell(parts, object, "Warning", "MigrationFailed", message);
  }
}

function tell(
  { manager }: HostMoveParts,
  object: VMMigration,
  type: "Normal" | "Warning",
  reason: string,
  message: string,
): void {
  manager.recorder.record(object, { type, reason, message });
}
