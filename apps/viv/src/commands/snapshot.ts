// `viv snapshot create`, `list`, `revert` and `delete`: VMSnapshot objects, and the one field of a VM that asks for a revert.

import { findCondition, VirtualMachine, VMSnapshot, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { snapshotTree } from "../output/snapshot-tree.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { readyCondition, stageOf } from "../session/vm.ts";
import { waitForEnd } from "../session/wait-for-end.ts";
import { workStage } from "../session/work-stage.ts";
import { deleteTargets } from "./delete.ts";

interface WaitingOptions extends GlobalOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

interface CreateOptions extends WaitingOptions {
  readonly memory?: boolean;
  readonly quiesce?: boolean;
  readonly method?: "External" | "Internal";
  readonly description?: string;
  readonly maxAge?: string;
}

export async function createSnapshot(vm: string, name: string | undefined, options: CreateOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name: name ?? nameFor(vm, new Date()) };
  await session.client.get(VirtualMachine, { namespace: session.namespace, name: vm }, { signal });
  const { memory, quiesce, method, description, maxAge } = options;
  const config = {
    ...(memory === true ? { includeMemory: true } : {}),
    ...(quiesce === undefined ? {} : { quiesce }),
    ...(method === undefined ? {} : { method }),
    ...(description === undefined ? {} : { description }),
  };
  await session.client.create(
    VMSnapshot,
    {
      apiVersion: `${VMSnapshot.group}/${VMSnapshot.version}`,
      kind: VMSnapshot.kind,
      metadata: key,
      spec: {
        vmRef: { name: vm },
        ...(Object.keys(config).length === 0 ? {} : { snapshotConfig: config }),
        ...(maxAge === undefined ? {} : { retentionPolicy: { maxAge } }),
      },
    },
    { signal },
  );
  if (options.wait === false) {
    print(`vmsnapshot/${key.name}: requested`);
    return;
  }
  await waitUntilTaken(session, key, { ...options, signal });
}

/** Sorts by time, and is a name for an object. */
function nameFor(vm: string, now: Date): string {
  return `${vm}-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}`;
}

async function waitUntilTaken(
  session: Session,
  key: Required<ObjectKey>,
  options: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<void> {
  const label = `vmsnapshot/${key.name}`;
  using board = openBoard();
  const fix = [`viv describe vmsnapshot ${key.name}`, `viv snapshot delete ${key.name}`];
  const what = `Snapshot "${key.name}"`;
  const { status } = await waitForEnd(
    session.client,
    { type: VMSnapshot, key },
    {
      label,
      board,
      isOver: (object) => object.status?.phase === "Ready" || object.status?.phase === "Failed",
      stageOf: snapshotStage,
      timeoutMs: options.timeout,
      signal: options.signal,
      what,
      late: { text: `${what} is not taken`, fix },
      detached: { fix: [`viv get vmsnapshot ${key.name}`] },
    },
  );
  if (status?.phase === "Failed")
    throw new CliUserError(`${what} was not taken: ${snapshotStage({ status })}`, { fix });
  print(`${label}: ${status?.message ?? "taken"}`);
}

function snapshotStage({ status }: Pick<VMSnapshot, "status">): string {
  return workStage({ ...status, percentage: status?.progress?.percentage });
}

export async function listSnapshots(
  vm: string,
  options: GlobalOptions & { readonly output?: "json" | "yaml" | "name" },
): Promise<void> {
  await using session = await connect(options);
  const { items } = await session.client.list(VMSnapshot, { namespace: session.namespace });
  const own = items.filter(({ spec }) => spec.vmRef.name === vm);
  if (options.output !== undefined) {
    await showObjects(
      own.map((object) => ({ kind: VMSnapshot, object })),
      { format: options.output, single: false },
    );
    return;
  }
  if (own.length === 0) {
    await session.client.get(VirtualMachine, { namespace: session.namespace, name: vm });
    tell(`VM "${vm}" has no snapshots.`);
    return;
  }
  print(snapshotTree(own));
}

export async function revertToSnapshot(vm: string, name: string, options: WaitingOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name: vm };
  await getSnapshotOf(session, { vm, name }, signal);
  const patch = { spec: { snapshot: { revertToRef: { name } } } };
  await session.client.mergePatch(VirtualMachine, key, patch, { fieldManager: "viv", signal });
  const label = `vm/${vm}`;
  if (options.wait === false) {
    print(`${label}: revert requested`);
    return;
  }
  using board = openBoard();
  const fix = [`viv status ${vm}`, `viv describe vmsnapshot ${name}`];
  const machine = await waitForEnd(
    session.client,
    { type: VirtualMachine, key },
    {
      label,
      board,
      isOver: (object) => isBack(object) || isRefused(object),
      stageOf,
      timeoutMs: options.timeout,
      signal,
      what: `VM "${vm}"`,
      late: { text: `VM "${vm}": the revert is not done`, fix },
      detached: { text: `the revert of VM "${vm}"`, fix: [`viv status ${vm}`] },
    },
  );
  if (isRefused(machine)) {
    throw new CliUserError(`VM "${vm}" cannot go back to snapshot "${name}": ${stageOf(machine)}`, { fix });
  }
  print(`${label}: back at snapshot ${name}`);
}

/** Refuses a snapshot of another VM. */
async function getSnapshotOf(
  session: Session,
  { vm, name }: { readonly vm: string; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const snapshot = await session.client.get(VMSnapshot, { namespace: session.namespace, name }, { signal });
  if (snapshot.spec.vmRef.name === vm) return;
  throw new CliUserError(`Snapshot "${name}" is of VM "${snapshot.spec.vmRef.name}".`, {
    fix: [`viv snapshot list ${vm}`],
    exit: "usage",
  });
}

/** The wish was carried out and taken out of the spec; a VM that shall run does so again. */
function isBack({ spec, status, metadata }: VirtualMachine): boolean {
  if (spec.snapshot?.revertToRef !== undefined || status?.observedGeneration !== metadata.generation) return false;
  return (spec.powerState ?? "On") !== "On" || status?.powerState === "On";
}

const refusals = new Set(["SnapshotNotFound", "SnapshotNotReady", "InvalidSpec", "Unsupported", "ConflictOnProvider"]);

/** Told about the spec as it is now. */
function isRefused(vm: VirtualMachine): boolean {
  const ready = readyCondition(vm);
  return (
    vm.spec.snapshot?.revertToRef !== undefined &&
    vm.status?.observedGeneration === vm.metadata.generation &&
    refusals.has(ready?.reason ?? "") &&
    findCondition(vm.status?.conditions, "Ready")?.status !== "True"
  );
}

export async function deleteSnapshots(
  names: readonly string[],
  options: WaitingOptions & { readonly vm?: string },
): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  if (options.vm !== undefined) {
    for (const name of names) await getSnapshotOf(session, { vm: options.vm, name }, signal);
  }
  const targets = names.map((name) => ({ kind: VMSnapshot, key: { namespace: session.namespace, name } }));
  await deleteTargets(session, targets, { ...options, signal });
}
