// `viv snapshot create`, `list`, `revert` and `delete`: VMSnapshot objects, and the one field of a VM that asks for a revert.

import { findCondition, VirtualMachine, VMSnapshot, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { snapshotTree } from "../output/snapshot-tree.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen, readyCondition, stageOf } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";
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
  const result = await waitForObject(
    session.client,
    { type: VMSnapshot, key },
    {
      until: (object) => object === undefined || object.status?.phase === "Ready" || object.status?.phase === "Failed",
      timeoutMs: options.timeout,
      signal: options.signal,
      onChange: (object) => {
        board.remove("server");
        board.set(label, snapshotStage(object));
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  board.remove(label);
  const fix = [`viv describe vmsnapshot ${key.name}`, `viv snapshot delete ${key.name}`];
  switch (result.kind) {
    case "done":
      if (result.object === undefined) {
        throw new CliUserError(`Snapshot "${key.name}" was deleted meanwhile.`, { exit: "notFound" });
      }
      if (result.object.status?.phase === "Failed") {
        throw new CliUserError(`Snapshot "${key.name}" was not taken: ${snapshotStage(result.object)}`, { fix });
      }
      print(`${label}: ${result.object.status?.message ?? "taken"}`);
      return;
    case "detached":
      throw detachedError(label, [`viv get vmsnapshot ${key.name}`]);
    case "timeout":
      throw new CliUserError(
        `Snapshot "${key.name}" is not taken after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.isKnown ? snapshotStage(result.object) : notSeen}`,
        { fix, exit: "timeout" },
      );
  }
}

function snapshotStage(object: VMSnapshot | undefined): string {
  if (object === undefined) return "it does not exist";
  const { phase = "Pending", message, progress } = object.status ?? {};
  const percent = progress?.percentage === undefined ? "" : ` ${progress.percentage} %`;
  return `${phase}${percent}${message === undefined || phase === "Ready" ? "" : `: ${message}`}`;
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
  const result = await waitForObject(
    session.client,
    { type: VirtualMachine, key },
    {
      until: (object) => object === undefined || isBack(object) || isRefused(object),
      timeoutMs: options.timeout,
      signal,
      onChange: (object) => {
        board.remove("server");
        board.set(label, stageOf(object));
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  board.remove(label);
  const fix = [`viv status ${vm}`, `viv describe vmsnapshot ${name}`];
  switch (result.kind) {
    case "done":
      if (result.object === undefined) {
        throw new CliUserError(`VM "${vm}" was deleted meanwhile.`, { exit: "notFound" });
      }
      if (isRefused(result.object)) {
        throw new CliUserError(`VM "${vm}" cannot go back to snapshot "${name}": ${stageOf(result.object)}`, { fix });
      }
      print(`${label}: back at snapshot ${name}`);
      return;
    case "detached":
      throw detachedError(`the revert of VM "${vm}"`, [`viv status ${vm}`]);
    case "timeout":
      throw new CliUserError(
        `VM "${vm}": the revert is not done after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.isKnown ? stageOf(result.object) : notSeen}`,
        { fix, exit: "timeout" },
      );
  }
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
