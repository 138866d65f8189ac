// `viv delete`: waits until finalizers are done, which for a VM means that nothing of it is left on the hypervisor.

import { isStatus, VirtualMachine, VMSnapshot, type KindDefinition, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard, type Board } from "../output/board.ts";
import { confirm } from "../output/confirm.ts";
import { print, tell } from "../output/print.ts";
import { qualifiedKind } from "../output/show-objects.ts";
import { deletionTurns } from "../resources/deletion-turns.ts";
import { parseReferences } from "../resources/find-kind.ts";
import { loadManifests, type Manifest } from "../resources/load-manifests.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { stageOf } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";

interface DeleteOptions extends GlobalOptions {
  readonly filename: readonly string[];
  readonly ignoreNotFound?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

interface Target {
  readonly kind: KindDefinition;
  readonly key: ObjectKey;
}

export async function deleteObjects(
  first: string | undefined,
  names: readonly string[],
  options: DeleteOptions,
): Promise<void> {
  await using session = await connect(options);
  const targets =
    first === undefined
      ? targetsOf(await loadManifests(filesOf(options)), session)
      : parseReferences(first, names).map(({ kind, name }) => {
          if (name === undefined)
            throw new CliUserError(`Which ${kind.singular}?`, {
              fix: [`viv delete ${kind.singular} NAME`],
              exit: "usage",
            });
          return { kind, key: kind.namespaced ? { namespace: session.namespace, name } : { name } };
        });
  using signal = interruptSignal();
  if (options.yes !== true && options.force !== true) {
    const found = await whatGoes(session, targets, { ...options, signal });
    if (found.length > 0) await confirm(found.join("\n"), { signal });
  }
  await deleteTargets(session, targets, { ...options, signal });
}

/** A line per object that is there. What is not there is an error now, before anybody is asked. */
async function whatGoes(
  session: Session,
  targets: readonly Target[],
  options: { readonly ignoreNotFound?: boolean; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const { kind, key } of targets) {
    try {
      await session.client.get(kind, key, { signal: options.signal });
    } catch (error) {
      if (!isStatus(error, "NotFound") || options.ignoreNotFound !== true) throw error;
      continue;
    }
    const isVm = kind.kind === VirtualMachine.kind;
    lines.push(`Delete ${kind.singular} "${key.name}"${isVm ? await besidesOf(session, key, options.signal) : ""}.`);
  }
  return lines;
}

async function besidesOf(session: Session, { namespace, name }: ObjectKey, signal: AbortSignal): Promise<string> {
  const selection = namespace === undefined ? {} : { namespace };
  const { items } = await session.client.list(VMSnapshot, { ...selection, signal });
  const count = items.filter(({ spec }) => spec.vmRef.name === name).length;
  return `, its disks${count === 0 ? "" : ` and its ${count === 1 ? "snapshot" : `${count} snapshots`}`} with everything on them`;
}

function filesOf(options: DeleteOptions): readonly string[] {
  if (options.filename.length > 0) return options.filename;
  throw new CliUserError("Nothing to delete.", { fix: ["viv delete vm NAME", "viv delete -f FILE"], exit: "usage" });
}

/** The last applied goes first, so that users go before what they use. */
export function targetsOf(manifests: readonly Manifest[], session: Session): readonly Target[] {
  return manifests.toReversed().map(({ kind, object }) => {
    const { name, namespace } = object.metadata;
    return { kind, key: kind.namespaced ? { namespace: namespace ?? session.namespace, name } : { name } };
  });
}

export async function deleteTargets(
  session: Session,
  targets: readonly Target[],
  options: {
    readonly ignoreNotFound?: boolean;
    readonly wait?: boolean;
    readonly timeout: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  using board = openBoard();
  let count = 0;
  for (const turn of deletionTurns(targets)) {
    const accepted = await requestDeletion(session, turn, options);
    count += accepted.length;
    if (options.wait === false) continue;
    await Promise.all(accepted.map((target) => waitUntilGone(session, target, { ...options, board })));
  }
  if (count === 0) tell("Nothing to delete.");
}

async function requestDeletion(
  session: Session,
  targets: readonly Target[],
  options: { readonly ignoreNotFound?: boolean; readonly wait?: boolean; readonly signal: AbortSignal },
): Promise<readonly Target[]> {
  const accepted: Target[] = [];
  for (const target of targets) {
    try {
      await session.client.delete(target.kind, target.key, { signal: options.signal });
      accepted.push(target);
    } catch (error) {
      if (!isStatus(error, "NotFound") || options.ignoreNotFound !== true) throw error;
      continue;
    }
    if (options.wait === false) print(`${qualifiedKind(target.kind)} "${target.key.name}" marked for deletion`);
  }
  return accepted;
}

async function waitUntilGone(
  session: Session,
  { kind, key }: Target,
  options: { readonly timeout: number; readonly signal: AbortSignal; readonly board: Board },
): Promise<void> {
  const label = `${kind.singular}/${key.name}`;
  const result = await waitForObject(
    session.client,
    { type: kind, key },
    {
      until: (object) => object?.metadata.deletionTimestamp === undefined,
      timeoutMs: options.timeout,
      signal: options.signal,
      onChange: (object) => {
        options.board.remove("server");
        const stage = object?.kind === VirtualMachine.kind ? stageOf(object as VirtualMachine) : "deleting";
        if (object !== undefined) options.board.set(label, stage);
      },
      onTrouble: (error) => options.board.set("server", error.message),
    },
  );
  options.board.remove(label);
  switch (result.kind) {
    case "done":
      print(`${qualifiedKind(kind)} "${key.name}" deleted`);
      return;
    case "detached":
      throw detachedError(`the deletion of ${label}`, [`viv get ${kind.singular} ${key.name}`]);
    case "timeout":
      throw new CliUserError(`${label} is still there after ${formatDuration(options.timeout)}; the server goes on.`, {
        fix: [`viv describe ${kind.singular} ${key.name}`],
        exit: "timeout",
      });
  }
}
