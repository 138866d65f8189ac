// `viv rollout status|history|undo|pause|resume|restart`: what `kubectl rollout` does for Deployments, for VMSets.

import { findCondition, VMSet, VMSetRevision, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { notSeen } from "../session/vm.ts";
import { waitForObject } from "../session/wait.ts";

const restartedAtAnnotation = "vivarium.dev/restarted-at";

export async function status(
  name: string,
  options: GlobalOptions & { readonly wait?: boolean; readonly timeout: number },
): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name };
  if (options.wait === false) {
    print(`vmset/${name}: ${standingOf(await session.client.get(VMSet, key, { signal }))}`);
    return;
  }
  using board = openBoard();
  const label = `vmset/${name}`;
  const result = await waitForObject(
    session.client,
    { type: VMSet, key },
    {
      until: (set) => set === undefined || isRolledOut(set) || lateness(set) !== undefined,
      timeoutMs: options.timeout,
      signal,
      onChange: (set) => {
        board.remove("server");
        board.set(label, set === undefined ? notSeen : standingOf(set));
      },
      onTrouble: (error) => board.set("server", error.message),
    },
  );
  board.remove(label);
  switch (result.kind) {
    case "detached":
      throw detachedError(`the rollout of VMSet "${name}"`, [`viv rollout status ${name}`]);
    case "timeout":
      throw new CliUserError(
        `VMSet "${name}" is not rolled out after ${formatDuration(options.timeout)}; the server goes on.\n  stage: ${result.object === undefined ? notSeen : standingOf(result.object)}`,
        { fix: [`viv describe vmset ${name}`], exit: "timeout" },
      );
    case "done": {
      if (result.object === undefined) throw new CliUserError(`There is no VMSet "${name}".`, { exit: "notFound" });
      const late = lateness(result.object);
      if (late !== undefined) {
        throw new CliUserError(`VMSet "${name}" does not get on: ${late}`, {
          fix: [`viv describe vmset ${name}`, `viv rollout undo ${name}`],
        });
      }
      print(`${label}: ${standingOf(result.object)}`);
    }
  }
}

export async function history(
  name: string,
  options: GlobalOptions & { readonly revision?: number; readonly output?: "json" | "yaml" },
): Promise<void> {
  await using session = await connect(options);
  const { set, revisions } = await fetchHistory(session, name);
  if (options.revision !== undefined) {
    await showValue(numbered(revisions, options.revision, name).template, options.output ?? "yaml");
    return;
  }
  if (options.output !== undefined) {
    await showValue(revisions, options.output);
    return;
  }
  const machines = set.status?.vmStatus ?? [];
  const rows = revisions.map(({ revision, metadata, template }) => [
    String(revision),
    metadata.name,
    String(machines.filter((each) => each.revision === metadata.name).length),
    template.spec.imageRef?.name ?? "",
    template.spec.classRef?.name ?? "",
  ]);
  print(textTable(["revision", "name", "machines", "image", "class"], rows));
}

export async function undo(name: string, options: GlobalOptions & { readonly toRevision?: number }): Promise<void> {
  await using session = await connect(options);
  const { set, revisions } = await fetchHistory(session, name);
  const earlier = options.toRevision === undefined ? revisions.at(-2) : numbered(revisions, options.toRevision, name);
  if (earlier === undefined) throw new CliUserError(`VMSet "${name}" has no earlier template.`);
  if (earlier === revisions.at(-1)) {
    throw new CliUserError(`VMSet "${name}" is at revision ${earlier.revision} already.`);
  }
  // Replaced, not merged: what the later template added has to go.
  await session.client.update(
    VMSet,
    { ...set, spec: { ...set.spec, template: earlier.template } },
    { fieldManager: "viv" },
  );
  print(`vmset/${name}: back to the template of revision ${earlier.revision}`);
}

export async function pause(name: string, options: GlobalOptions): Promise<void> {
  await change(name, options, { patch: { spec: { paused: true } }, said: "paused; it scales, but does not roll" });
}

export async function resume(name: string, options: GlobalOptions): Promise<void> {
  await change(name, options, { patch: { spec: { paused: false } }, said: "resumed" });
}

export async function restart(name: string, options: GlobalOptions): Promise<void> {
  const annotations = { [restartedAtAnnotation]: new Date().toISOString() };
  await change(name, options, {
    patch: { spec: { template: { metadata: { annotations } } } },
    said: "every machine will be replaced",
  });
}

async function change(
  name: string,
  options: GlobalOptions,
  { patch, said }: { readonly patch: object; readonly said: string },
): Promise<void> {
  await using session = await connect(options);
  await session.client.mergePatch(VMSet, { namespace: session.namespace, name }, patch, { fieldManager: "viv" });
  print(`vmset/${name}: ${said}`);
}

async function fetchHistory(
  session: Session,
  name: string,
): Promise<{ readonly set: VMSet; readonly revisions: readonly VMSetRevision[] }> {
  const key: ObjectKey = { namespace: session.namespace, name };
  const set = await session.client.get(VMSet, key);
  const { items } = await session.client.list(VMSetRevision, { namespace: session.namespace });
  const own = items.filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === set.metadata.uid));
  return { set, revisions: own.sort((a, b) => a.revision - b.revision) };
}

function numbered(revisions: readonly VMSetRevision[], wanted: number, name: string): VMSetRevision {
  const found = revisions.find(({ revision }) => revision === wanted);
  if (found !== undefined) return found;
  const there = revisions.map(({ revision }) => revision).join(", ");
  throw new CliUserError(`VMSet "${name}" has no revision ${wanted}; there are ${there}.`, { exit: "notFound" });
}

function isRolledOut(set: VMSet): boolean {
  return isCurrent(set) && set.status?.updateStatus?.phase === "Completed";
}

function lateness(set: VMSet): string | undefined {
  const progressing = findCondition(set.status?.conditions, "Progressing");
  return isCurrent(set) && progressing?.status === "False" ? progressing.message : undefined;
}

function isCurrent({ status: seen, metadata }: VMSet): boolean {
  return seen?.observedGeneration === metadata.generation;
}

function standingOf(set: VMSet): string {
  const rollout = set.status?.updateStatus;
  if (!isCurrent(set) || rollout === undefined) return "the change is not looked at yet";
  const { spec, status: seen } = set;
  const counts = `${seen?.updatedReplicas ?? 0} of ${spec.replicas ?? 1} updated, ${seen?.availableReplicas ?? 0} available`;
  if (rollout.phase === "Paused") return `paused; ${counts}`;
  if (rollout.phase === "Completed") return `rolled out; ${counts}`;
  const failure = findCondition(seen?.conditions, "ReplicaFailure");
  return `${counts}; ${failure?.status === "True" ? failure.message : (rollout.message ?? "")}`;
}
