// Carries out the plan of a migration to another Provider.

import {
  apiVersionOf,
  clonedDisksAnnotation,
  findCondition,
  parseDuration,
  VirtualMachine,
  VMMigration,
  vmMigrationFinalizer,
  VMSnapshot,
} from "@vivarium/api";
import { formatAmount } from "../placement/fit.ts";
import { ProviderError } from "@vivarium/provider";
import type { ExportedDisk, MoveProgress, Provider as OpenProvider, VmIdentity } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import type { SteppedKind } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { formatClonedDisks } from "../virtual-machine/resolve/cloned-disks.ts";
import { identityOf, resolveProvider } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";
import { connectionOfVm } from "../vm-host.ts";
import type { HostMoveParts } from "./host-move.ts";
import type { Blocker } from "./host-move-plan.ts";
import { decideProviderMove } from "./provider-move-plan.ts";
import type {
  NewMachine,
  ProviderMoveInput,
  ProviderMoveSituation,
  ProviderMoveStep,
  SnapshotState,
} from "./provider-move-plan.ts";
import { providerMoveStatusOf } from "./provider-move-status.ts";
import type { ProviderMoveNews } from "./provider-move-status.ts";
import { migrationLabel, newMachineOf, refusalsOf, targetKeyOf } from "./provider-move-target.ts";
import { migrationRecordOf } from "./vm-migration-record.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

export interface ProviderMoveParts extends Omit<HostMoveParts, "tasks"> {
  readonly exports: ObjectTasks<readonly ExportedDisk[], MoveProgress>;
}

interface Found {
  isClean: boolean;
}

interface Look {
  readonly input: ProviderMoveInput;
  readonly found: Found;
}

export type ProviderMoveKind = SteppedKind<VMMigration, Look, OwnStep<ProviderMoveStep>, ProviderMoveSituation>;

export function providerMoveKind(parts: ProviderMoveParts): ProviderMoveKind {
  return {
    type: VMMigration,
    finalizer: vmMigrationFinalizer,
    observe(object, { before }) {
      const found = before?.found ?? { isClean: false };
      return { found, input: inputOf(parts, object, found) };
    },
    decide: ({ input }) => decideProviderMove(input),
    act: (object, step, { look: { found }, signal }) => act(parts, object, { step, found, signal }),
    async report(object, { situation, signal }) {
      // What was told at its end stays.
      if (situation.kind === "Ended") return;
      await write(parts, object, { news: situation, record: migrationRecordOf(object), signal });
    },
    end: (request) => parts.exports.stop(request),
  };
}

function inputOf(parts: ProviderMoveParts, object: VMMigration, found: Found): ProviderMoveInput {
  const { metadata, spec } = object;
  const record = migrationRecordOf(object);
  const source = sourceOf(parts, object);
  const isOn = source?.status?.powerState !== "Off";
  const isOffWanted = spec.source.powerOffBeforeMigration === true;
  const retry = spec.options?.retryPolicy;
  return {
    nowMs: parts.clock.now(),
    isDeleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(vmMigrationFinalizer) ?? false,
    isCancelled: spec.cancel === true,
    stage: record.stage,
    blockers: blockersOf(parts, object, source),
    source: source === undefined ? "absent" : source.status?.domain === undefined ? "unmade" : isOn ? "on" : "off",
    isOffWanted,
    isShutdownDue: isOffWanted && (source?.spec.powerState ?? "On") === "On",
    snapshot: snapshotOf(parts, object, record),
    target: targetOf(parts, object),
    hasCopied: record.hasCopied === true,
    isBootChecked: spec.target.powerOn === true,
    isClean: found.isClean,
    task: parts.exports.state(requestOf(object)),
    retries: {
      maxRetries: retry?.maxRetries ?? (retry === undefined ? 0 : 3),
      delayMs: parseDuration(retry?.retryDelay ?? "5m"),
      multiplier: retry?.backoffMultiplier ?? 2,
    },
    startedAtMs: record.startedAtMs ?? parts.clock.now(),
    timeoutMs: parseDuration(spec.options?.timeout ?? "4h"),
  };
}

function sourceOf({ machines }: ProviderMoveParts, { metadata, spec }: VMMigration): VirtualMachine | undefined {
  return machines.get({ namespace: metadata.namespace ?? "", name: spec.source.vmRef.name });
}

function openOf({ related, providers }: ProviderMoveParts, vm: VirtualMachine): OpenProvider | undefined {
  const resolved = resolveProvider(vm, related, readRecord(vm.status).madeOn);
  const provider = resolved.ok ? resolved.value : resolved.made;
  const connection = provider && connectionOfVm(vm, provider);
  return connection && providers.get(connection);
}

/** What the API server would refuse, too, once all is ready for it. */
function sizeBlockersOf({ placer }: ProviderMoveParts, machine: VirtualMachine): readonly Blocker[] {
  const provider = placer.providerOf(machine);
  const fit = provider && placer.fitOf(machine, provider);
  if (provider === undefined || fit?.kind !== "impossible") return [];
  const { name } = provider.metadata;
  return fit.lacks.map(({ what, limits }) => {
    const message = `no host of Provider "${name}" can ever take it: it wants ${formatAmount(placer.wishOf(machine, provider).amount[what], what)}, they may give VMs no more than: ${limits}`;
    return { reason: "NoRoom", message };
  });
}

function blockersOf(
  parts: ProviderMoveParts,
  object: VMMigration,
  source: VirtualMachine | undefined,
): readonly Blocker[] {
  const found = [...refusalsOf(object, source)];
  const { source: from, target } = object.spec;
  const key = (ref: { readonly name: string; readonly namespace?: string }) =>
    ({ namespace: ref.namespace ?? object.metadata.namespace ?? "", name: ref.name }) as const;
  if (target.providerRef !== undefined && parts.related.provider(key(target.providerRef)) === undefined) {
    found.push({
      reason: "ProviderNotFound",
      message: `Provider "${target.providerRef.name}" does not exist`,
      isTemporary: true,
    });
  }
  if (source === undefined) return found;
  found.push(...sizeBlockersOf(parts, newMachineOf(object, source)));
  const madeBy = parts.placer.providerOf(source);
  if (from.deleteAfterMigration === true && madeBy !== undefined && parts.placer.wishOf(source, madeBy).hasTpm) {
    const message =
      "the state of its TPM stays behind, and spec.source.deleteAfterMigration would delete it: migrate without, and delete the source when its keys are not needed any more";
    found.push({ reason: "DeviceNotMovable", message });
  }
  const madeOn = readRecord(source.status).madeOn;
  if (from.providerRef !== undefined && madeOn !== undefined) {
    const { namespace, name } = key(from.providerRef);
    if (madeOn !== `${namespace}/${name}`) {
      found.push({
        reason: "InvalidSpec",
        message: `the machine is on Provider "${madeOn}", not on "${namespace}/${name}" as spec.source.providerRef says`,
      });
    }
  }
  const open = openOf(parts, source);
  if (open === undefined) {
    found.push({
      reason: "SourceNotReady",
      message: "the Provider of the machine is not connected",
      isTemporary: true,
    });
  } else if (open.clones === undefined || open.migration === undefined) {
    found.push({ reason: "Unsupported", message: `hypervisors of type "${open.type}" cannot copy disks elsewhere` });
  }
  return found;
}

function snapshotOf(parts: ProviderMoveParts, object: VMMigration, { snapshot }: MigrationRecord): SnapshotState {
  if (snapshot === undefined) return { kind: "absent" };
  const found = parts.snapshots.get({ namespace: object.metadata.namespace ?? "", name: snapshot.name });
  if (found === undefined) return { kind: "failed", message: `VMSnapshot "${snapshot.name}" does not exist` };
  const message = found.status?.message ?? "The snapshot is being taken";
  switch (found.status?.phase) {
    case "Ready":
      return { kind: "ready" };
    case "Failed":
      return { kind: "failed", message };
    default:
      return { kind: "waiting", message };
  }
}

function targetOf(parts: ProviderMoveParts, object: VMMigration): NewMachine {
  const vm = parts.machines.get(targetKeyOf(object));
  if (vm === undefined) return { kind: "absent" };
  if (vm.metadata.labels?.[migrationLabel] !== object.metadata.uid) return { kind: "another" };
  const ready = findCondition(vm.status?.conditions, "Ready");
  return {
    kind: "present",
    isPlaced: readRecord(vm.status).madeOn !== undefined,
    isMade: vm.status?.domain !== undefined,
    isReady: ready?.status === "True" || (ready?.reason === "WaitingForAddress" && vm.status?.powerState === "On"),
    message: `VirtualMachine "${vm.metadata.name}": ${ready?.message ?? "it is not looked at yet"}`,
  };
}

async function act(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    step,
    found,
    signal,
  }: { readonly step: OwnStep<ProviderMoveStep>; readonly found: Found; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, exports } = parts;
  const { namespace = "", name, uid = "" } = object.metadata;
  const source = sourceOf(parts, object);
  const record = {
    ...migrationRecordOf(object),
    startedAtMs: migrationRecordOf(object).startedAtMs ?? parts.clock.now(),
  };
  switch (step.kind) {
    case "ShutDown":
      await manager.client.mergePatch(
        VirtualMachine,
        { namespace, name: object.spec.source.vmRef.name },
        { spec: { powerState: "OffGraceful" } },
        { signal },
      );
      return;
    case "TakeSnapshot": {
      const given = object.spec.source.snapshotRef?.name;
      const snapshot =
        given === undefined ? { name: `${name}-${uid.slice(0, 8)}`, isOurs: true } : { name: given, isOurs: false };
      const key = { namespace, name: snapshot.name };
      if (snapshot.isOurs && parts.snapshots.get(key) === undefined) {
        await manager.client.create(
          VMSnapshot,
          {
            apiVersion: apiVersionOf(VMSnapshot),
            kind: VMSnapshot.kind,
            metadata: { ...key, labels: { [migrationLabel]: uid } },
            spec: {
              vmRef: object.spec.source.vmRef,
              description: "Taken for a migration; it goes with it.",
              snapshotConfig: { method: "External" },
            },
          },
          { signal },
        );
      }
      const next = { ...record, stage: "moving", machine: source?.metadata.uid ?? "", snapshot } as const;
      await write(parts, object, { news: { kind: "Snapshot", name: snapshot.name }, record: next, signal });
      return;
    }
    case "CreateTarget":
      if (source !== undefined) await manager.client.create(VirtualMachine, newMachineOf(object, source), { signal });
      return;
    case "Copy":
      startCopy(parts, object, record);
      return;
    case "StopWork":
      await exports.stop(requestOf(object));
      return;
    case "RecordCopied":
      await recordCopied(parts, object, { disks: step.disks, record, signal });
      return;
    case "CleanUp":
      await cleanUp(parts, object, { record, keepsTarget: step.keepsTarget, signal });
      found.isClean = true;
      return;
    case "End": {
      const { outcome } = step;
      await exports.stop(requestOf(object));
      await write(parts, object, { news: { kind: "End", outcome }, record: { ...record, stage: "ended" }, signal });
      const message = parts.migrations.get({ namespace, name })?.status?.message ?? "";
      const isFine = outcome.kind === "Moved" || outcome.kind === "Cancelled";
      const reason = {
        Moved: "MigrationComplete",
        Cancelled: "MigrationCancelled",
        Blocked: "MigrationFailed",
        Failed: "MigrationFailed",
      }[outcome.kind];
      manager.recorder.record(object, { type: isFine ? "Normal" : "Warning", reason, message });
    }
  }
}

/** Who owns the copies at the source while they wait to be sent. */
function stagingOf({ metadata }: VMMigration): VmIdentity {
  return { uid: metadata.uid ?? "", namespace: metadata.namespace ?? "default", name: metadata.name };
}

/** First whole copies at the source, of what the snapshot froze; then from there to the other side. */
function startCopy(parts: ProviderMoveParts, object: VMMigration, { snapshot }: MigrationRecord): void {
  const { exports, snapshots } = parts;
  const [source, target] = [sourceOf(parts, object), parts.machines.get(targetKeyOf(object))];
  const frozen = snapshot && snapshots.get({ namespace: object.metadata.namespace ?? "", name: snapshot.name });
  const [from, to] = [source && openOf(parts, source), target && openOf(parts, target)];
  const staging = stagingOf(object);
  const timeoutMs = parseDuration(object.spec.options?.timeout ?? "4h");
  const message = `Cannot copy the disks: not done within ${Math.round(timeoutMs / 1000)} s`;
  exports.start(
    requestOf(object),
    async ({ signal, report }) => {
      const goal = to?.migration?.target;
      if (
        from?.clones === undefined ||
        from.migration === undefined ||
        goal === undefined ||
        source === undefined ||
        target === undefined
      ) {
        throw new ProviderError("Unavailable", "Cannot copy the disks: one of the Providers is not connected");
      }
      const vm = identityOf(source);
      const uid = frozen?.metadata.uid ?? "";
      await from.clones.create(staging, { method: "full", source: { kind: "snapshot", vm, uid } }, { signal });
      const isVerified = object.spec.options?.verifyChecksums !== false;
      return from.migration.exportDisks(
        staging,
        { target: goal, vm: identityOf(target), isVerified },
        { signal, onProgress: report },
      );
    },
    { timeoutMs, timeoutError: new ProviderError("Conflict", message) },
  );
}

/** The new machine is told last: from then on it is made of them. */
async function recordCopied(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    disks,
    record,
    signal,
  }: { readonly disks: readonly ExportedDisk[]; readonly record: MigrationRecord; readonly signal: AbortSignal },
): Promise<void> {
  const target = parts.machines.get(targetKeyOf(object));
  if (target === undefined) throw new ProviderError("Conflict", "The new VirtualMachine was deleted meanwhile");
  const { uid = "" } = target.metadata;
  const annotations = {
    [clonedDisksAnnotation]: formatClonedDisks(
      uid,
      disks.map(({ name }) => name),
    ),
  };
  const spec = object.spec.target.powerOn === true ? { spec: { powerState: "On" } } : {};
  const patch = { metadata: { uid, annotations }, ...spec };
  await parts.manager.client.mergePatch(VirtualMachine, targetKeyOf(object), patch, { signal });
  await write(parts, object, { news: { kind: "Copied", disks }, record: { ...record, hasCopied: true }, signal });
}

async function cleanUp(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    record,
    keepsTarget,
    signal,
  }: { readonly record: MigrationRecord; readonly keepsTarget: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { client } = parts.manager;
  const source = sourceOf(parts, object);
  const target = parts.machines.get(targetKeyOf(object));
  const isOurs = target?.metadata.labels?.[migrationLabel] === object.metadata.uid;
  if (!keepsTarget && isOurs && object.spec.options?.cleanupPolicy !== "Never" && target !== undefined) {
    await client.delete(VirtualMachine, targetKeyOf(object), { uid: target.metadata.uid ?? "", signal });
  }
  const open = source && openOf(parts, source);
  if (record.snapshot !== undefined && open !== undefined) await open.disks.remove(stagingOf(object), { signal });
  if (record.snapshot?.isOurs === true) {
    const key = { namespace: object.metadata.namespace ?? "", name: record.snapshot.name };
    const found = parts.snapshots.get(key);
    if (found !== undefined && found.metadata.deletionTimestamp === undefined) {
      await client.delete(VMSnapshot, key, { uid: found.metadata.uid ?? "", signal });
    }
  }
  if (
    keepsTarget &&
    isOurs &&
    object.spec.source.deleteAfterMigration === true &&
    source?.metadata.uid === record.machine
  ) {
    const { namespace = "", name, uid = "", deletionTimestamp } = source?.metadata ?? { name: "" };
    if (deletionTimestamp === undefined) await client.delete(VirtualMachine, { namespace, name }, { uid, signal });
  }
}

async function write(
  parts: ProviderMoveParts,
  object: VMMigration,
  {
    news,
    record,
    signal,
  }: { readonly news: ProviderMoveNews; readonly record: MigrationRecord; readonly signal: AbortSignal },
): Promise<void> {
  const current =
    parts.migrations.get({ namespace: object.metadata.namespace ?? "", name: object.metadata.name }) ?? object;
  const next = { ...record, startedAtMs: record.startedAtMs ?? parts.clock.now() };
  const id = parts.machines.get(targetKeyOf(object))?.status?.id;
  const status = providerMoveStatusOf(current, {
    news,
    record: next,
    nowMs: parts.clock.now(),
    ...(id === undefined ? {} : { targetId: id }),
  });
  await writeStatus(parts.manager.client, { type: VMMigration, object: current, status }, { signal });
}
