// `viv migrate`: a VMMigration object, and its progress until the VM is on the other host; `--cancel` gives one up.

import { VirtualMachine, VMMigration, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openBoard } from "../output/board.ts";
import { print } from "../output/print.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForEnd } from "../session/wait-for-end.ts";
import { workStage } from "../session/work-stage.ts";

interface MigrateOptions extends GlobalOptions {
  readonly to?: string;
  readonly cancel?: boolean;
  readonly live?: boolean;
  readonly offline?: boolean;
  readonly copyStorage?: boolean;
  readonly maxDowntime?: string;
  readonly maxBandwidth?: string;
  readonly autoConverge?: boolean;
  readonly postCopy?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function migrate(vm: string, options: MigrateOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  await session.client.get(VirtualMachine, { namespace: session.namespace, name: vm }, { signal });
  if (options.cancel === true) {
    await cancel(session, vm, { ...options, signal });
    return;
  }
  const { to } = options;
  if (to === undefined) {
    throw new CliUserError(`Where shall VM "${vm}" go?`, {
      fix: [`viv migrate ${vm} --to HOST`, "viv get hosts"],
      exit: "usage",
    });
  }
  const wish = wishOf(options);
  const key = { namespace: session.namespace, name: nameFor(vm, new Date()) };
  await session.client.create(
    VMMigration,
    {
      apiVersion: `${VMMigration.group}/${VMMigration.version}`,
      kind: VMMigration.kind,
      metadata: key,
      spec: {
        source: { vmRef: { name: vm } },
        target: { host: to },
        ...(Object.keys(wish).length === 0 ? {} : { options: wish }),
      },
    },
    { signal },
  );
  if (options.wait === false) {
    print(`vmmigration/${key.name}: requested`);
    return;
  }
  await waitUntilEnded(session, key, { vm, timeout: options.timeout, signal, wanted: "Ready" });
}

function wishOf(options: MigrateOptions): NonNullable<VMMigration["spec"]["options"]> {
  const { copyStorage, maxDowntime, maxBandwidth, autoConverge, postCopy } = options;
  const mode = options.live === true ? "Live" : options.offline === true ? "Offline" : undefined;
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(copyStorage === undefined ? {} : { copyStorage }),
    ...(maxDowntime === undefined ? {} : { maxDowntime }),
    ...(maxBandwidth === undefined ? {} : { maxBandwidth }),
    ...(autoConverge === undefined ? {} : { autoConverge }),
    ...(postCopy === undefined ? {} : { postCopy }),
  };
}

/** Sorts by time, and is a name for an object. */
function nameFor(vm: string, now: Date): string {
  return `${vm}-${now.toISOString().slice(0, 23).replaceAll(/[-:]/g, "").replaceAll(/[T.]/g, "-")}`;
}

async function cancel(
  session: Session,
  vm: string,
  { wait, timeout, signal }: Pick<MigrateOptions, "wait" | "timeout"> & { readonly signal: AbortSignal },
): Promise<void> {
  const { items } = await session.client.list(VMMigration, { namespace: session.namespace });
  const running = items.filter(({ spec, status }) => spec.source.vmRef.name === vm && !isOver(status?.phase));
  if (running.length === 0) {
    throw new CliUserError(`VM "${vm}" is not being migrated.`, { exit: "notFound" });
  }
  for (const { metadata } of running) {
    const key = { namespace: session.namespace, name: metadata.name };
    await session.client.mergePatch(VMMigration, key, { spec: { cancel: true } }, { fieldManager: "viv", signal });
    if (wait === false) print(`vmmigration/${key.name}: cancellation requested`);
    else await waitUntilEnded(session, key, { vm, timeout, signal, wanted: "Cancelled" });
  }
}

function isOver(phase: string | undefined): boolean {
  return phase === "Ready" || phase === "Failed" || phase === "Cancelled";
}

async function waitUntilEnded(
  session: Session,
  key: Required<ObjectKey>,
  {
    vm,
    timeout,
    signal,
    wanted,
  }: {
    readonly vm: string;
    readonly timeout: number;
    readonly signal: AbortSignal;
    readonly wanted: "Ready" | "Cancelled";
  },
): Promise<void> {
  const label = `vm/${vm}`;
  using board = openBoard();
  const fix = [`viv describe vmmigration ${key.name}`, `viv status ${vm}`];
  const giveUp = `viv migrate ${vm} --cancel`;
  const { status = {} } = await waitForEnd(
    session.client,
    { type: VMMigration, key },
    {
      label,
      board,
      isOver: (object) => isOver(object.status?.phase),
      stageOf,
      timeoutMs: timeout,
      signal,
      what: `Migration "${key.name}"`,
      late: { text: `VM "${vm}" is not moved`, fix: [...fix, giveUp] },
      detached: { text: `the migration of VM "${vm}"`, fix: [`viv get vmmigration ${key.name}`, giveUp] },
    },
  );
  if (status.phase !== wanted) {
    const blockers = (status.blockers ?? []).map(({ reason, message }) => `\n  ${reason}: ${message}`);
    const why = blockers.length === 0 ? (status.message ?? "") : `nothing was moved${blockers.join("")}`;
    const what = wanted === "Ready" ? "was not moved" : "could not be kept where it was";
    throw new CliUserError(`VM "${vm}" ${what}: ${why}`, { fix });
  }
  const downtime = status.downtime === undefined ? "" : `; it stood still for ${status.downtime}`;
  print(`${label}: ${lowerFirst(status.message ?? "")}${downtime}`);
}

function stageOf({ status }: VMMigration): string {
  return workStage({ ...status, percentage: status?.progress?.percentage, eta: status?.progress?.eta });
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
