// `viv clone`: one VMClone object for each new VM, and a snapshot that they share where there are several of one VM.

import { apiVersionOf, cloneBaseLabel, VirtualMachine, VMClone, VMSnapshot } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard, type Board } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForEnd } from "../session/wait-for-end.ts";
import { workStage } from "../session/work-stage.ts";

export interface CloneOptions extends GlobalOptions {
  readonly linked?: boolean;
  readonly fromSnapshot?: string;
  readonly count?: number;
  readonly class?: string;
  readonly hostname?: string;
  readonly targetNamespace?: string;
  readonly start?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function clone(source: string, target: string, options: CloneOptions): Promise<void> {
  const names = namesOf(target, options);
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  const from = await sourceOf(session, source, { fromSnapshot: options.fromSnapshot, count: names.length, signal });
  const clones = await Promise.all(
    names.map((name) => client.create(VMClone, cloneOf(name, { from, namespace, options }), { signal })),
  );
  const made = clones.map(({ metadata, spec }) => ({ object: metadata.name, vm: spec.target.name }));
  if (options.wait === false) {
    for (const { object } of made) print(`vmclone/${object}: requested`);
    return;
  }
  using board = openBoard();
  await Promise.all(made.map((each) => waitUntilMade(session, each, { timeoutMs: options.timeout, signal, board })));
}

function namesOf(target: string, { count, hostname }: CloneOptions): readonly string[] {
  if (count === undefined) return [target];
  if (hostname !== undefined) {
    throw new CliUserError("--hostname is for one VM: with --count each has its own name.", { exit: "usage" });
  }
  return Array.from({ length: count }, (_, index) => `${target}-${index + 1}`);
}

type Source = NonNullable<VMClone["spec"]["source"]>;

/** `NAME` is a VM, `template/NAME` and `image/NAME` are what they say. */
async function sourceOf(
  session: Session,
  source: string,
  {
    fromSnapshot,
    count,
    signal,
  }: { readonly fromSnapshot: string | undefined; readonly count: number; readonly signal: AbortSignal },
): Promise<Source> {
  const { namespace, client } = session;
  const [, kind, name = source] = /^(template|image|vm)\/(.+)$/.exec(source) ?? [];
  if (kind === "template" || kind === "image") {
    if (fromSnapshot !== undefined) throw new CliUserError("--from-snapshot is of a VM.", { exit: "usage" });
    return kind === "template" ? { templateRef: { name } } : { imageRef: { name } };
  }
  await client.get(VirtualMachine, { namespace, name }, { signal });
  if (fromSnapshot !== undefined) return { snapshotRef: { name: fromSnapshot } };
  return count > 1 ? { snapshotRef: { name: await sharedSnapshot(session, name, signal) } } : { vmRef: { name } };
}

/** It goes when none of them needs it. */
async function sharedSnapshot({ client, namespace }: Session, source: string, signal: AbortSignal): Promise<string> {
  const made = await client.create(
    VMSnapshot,
    {
      apiVersion: apiVersionOf(VMSnapshot),
      kind: VMSnapshot.kind,
      metadata: { name: `${source}-base-${Date.now().toString(36)}`, namespace, labels: { [cloneBaseLabel]: "true" } },
      spec: {
        vmRef: { name: source },
        description: "Taken for clones; it goes when none needs it.",
        snapshotConfig: { method: "External" },
      },
    },
    { signal },
  );
  return made.metadata.name;
}

export function cloneOf(
  name: string,
  {
    from,
    namespace,
    options,
  }: {
    readonly from: Source;
    readonly namespace: string;
    readonly options: CloneOptions;
  },
): VMClone {
  const { hostname, targetNamespace } = options;
  return {
    apiVersion: apiVersionOf(VMClone),
    kind: VMClone.kind,
    // A VM may be cloned into the same name again after it was deleted.
    metadata: { name: `${name}-${Date.now().toString(36)}`, namespace },
    spec: {
      source: from,
      target: {
        name,
        ...(targetNamespace === undefined ? {} : { namespace: targetNamespace }),
        ...(options.class === undefined ? {} : { classRef: { name: options.class } }),
      },
      options: {
        type: options.linked === true ? "LinkedClone" : "FullClone",
        powerOn: options.start !== false,
        timeout: `${Math.ceil(options.timeout / 1000)}s`,
      },
      ...(hostname === undefined ? {} : { customization: { hostname } }),
    },
  };
}

async function waitUntilMade(
  { client, namespace }: Session,
  { object: name, vm }: { readonly object: string; readonly vm: string },
  { timeoutMs, signal, board }: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly board: Board },
): Promise<void> {
  const label = `vm/${vm}`;
  const fix = [`viv describe vmclone ${name}`, `viv delete vmclone ${name}`];
  const made = await waitForEnd(
    client,
    { type: VMClone, key: { namespace, name } },
    {
      label,
      board,
      isOver: (object) => object.status?.phase === "Ready" || object.status?.phase === "Failed",
      stageOf: cloneStage,
      timeoutMs,
      signal,
      what: `VMClone "${name}"`,
      late: { text: `VM "${vm}" is not made`, fix, isOver: true },
      detached: { fix: [`viv get vmclone ${name}`] },
    },
  );
  if (made.status?.phase === "Failed") throw new CliUserError(`VM "${vm}" was not made: ${cloneStage(made)}`, { fix });
  print(`${label}: ${madeText(made)}`);
}

const consistencies = {
  Off: "the source was off",
  Memory: "with a snapshot that has memory",
  Filesystem: "its file systems held still by the guest agent",
  Crash: "disks as after a power cut",
} as const;

function madeText({ status }: VMClone): string {
  const type = status?.actualCloneType === "LinkedClone" ? "linked clone" : "full clone";
  const how = status?.consistency === undefined ? "" : ` (${consistencies[status.consistency]})`;
  const left = status?.leftOut ?? [];
  return `${type} of ${status?.source ?? "its source"}${how}${left.length === 0 ? "" : `; without ${left.join("; ")}`}`;
}

function cloneStage({ status }: VMClone): string {
  const percentage = status?.phase === "Cloning" ? (status.progress?.overallPercentage ?? 0) : undefined;
  return workStage({ ...status, percentage });
}
