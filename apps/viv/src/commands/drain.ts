// `viv drain`: no further VM on a host, and those that are there moved to others by VMMigrations. What cannot be moved is named, with the reason.

import { formatKey, Host } from "@vivarium/api";
import { planDrain, type MovePlan } from "@vivarium/controllers";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { makeMoves, printPlan } from "../session/make-moves.ts";
import { readPlacementState } from "../session/placement-state.ts";
import { fulfil, stopWish } from "./power.ts";

interface DrainOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly shutdown?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function drain(name: string, options: DrainOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace, client } = session;
  const key = { namespace, name };
  const host = await client.get(Host, key, { signal });
  if (options.dryRun !== true && host.spec.unschedulable !== true) {
    await client.mergePatch(Host, key, { spec: { unschedulable: true } }, { fieldManager: "viv", signal });
    print(`host/${name}: cordoned`);
  }
  const { placer, providers, machines } = await readPlacementState(session, signal);
  const provider = providers.find(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === host.spec.providerRef.name,
  );
  if (provider === undefined) {
    throw new CliUserError(`Provider "${host.spec.providerRef.name}" of host "${name}" does not exist.`, {
      exit: "notFound",
    });
  }
  const own = machines.filter((vm) => placer.providerOf(vm) === provider);
  const plan = planDrain(placer, { provider, host: name, machines: own });
  if (plan.moves.length + plan.stays.length === 0) {
    print(`host/${name}: has no VM`);
    return;
  }
  printPlan(plan);
  if (options.dryRun === true) return;
  const failure = await failureOf(makeMoves(session, plan, { ...options, signal }));
  // What stays is shut down whether or not the others could be moved.
  if (failure !== undefined && (options.shutdown !== true || signal.aborted)) throw failure;
  const left = plan.stays.filter(({ vm }) => isRunning(vm));
  if (options.shutdown === true && left.length > 0) {
    const keys = left.map(({ vm }) => ({ namespace: vm.metadata.namespace ?? "", name: vm.metadata.name }));
    await fulfil(session, keys, { ...options, signal, makeWish: stopWish(false) });
  }
  if (failure !== undefined) throw failure;
  tellLeft(name, plan.stays, options);
}

async function failureOf(moving: Promise<void>): Promise<CliUserError | undefined> {
  try {
    await moving;
    return undefined;
  } catch (error) {
    if (error instanceof CliUserError) return error;
    throw error;
  }
}

function isRunning({ status }: MovePlan["stays"][number]["vm"]): boolean {
  return status?.powerState === "On" || status?.powerState === "Paused";
}

function tellLeft(name: string, stays: MovePlan["stays"], { shutdown, wait }: DrainOptions): void {
  const isAwaited = wait !== false;
  if (stays.length === 0) {
    if (isAwaited) print(`host/${name}: drained`);
    return;
  }
  const names = stays.map(({ vm }) => formatKey(vm.metadata)).join(", ");
  if (shutdown === true) {
    if (isAwaited) print(`host/${name}: nothing runs there; off, because it could not be moved: ${names}`);
    return;
  }
  throw new CliUserError(`Host "${name}" is not empty: ${names} cannot be moved.`, {
    fix: [`viv drain ${name} --shutdown`, `viv uncordon ${name}`],
    exit: "partial",
  });
}
