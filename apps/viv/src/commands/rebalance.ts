// `viv rebalance`: plans moves, prints them, and makes them only when told to.

import type { Provider } from "@vivarium/api";
import { planRebalance } from "@vivarium/controllers";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { makeMoves, printPlan } from "../session/make-moves.ts";
import { readPlacementState } from "../session/placement-state.ts";

interface RebalanceOptions extends GlobalOptions {
  readonly apply?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export async function rebalance(name: string | undefined, options: RebalanceOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { placer, machines, providers } = await readPlacementState(session, signal);
  const provider = providerNamed(
    name,
    providers.filter(({ metadata }) => metadata.namespace === session.namespace),
  );
  const own = machines.filter((vm) => placer.providerOf(vm) === provider);
  const plan = planRebalance(placer, { provider, machines: own });
  if (plan.moves.length + plan.stays.length === 0) {
    print("Nothing is to be moved: every VM is where it may be, and no host is much fuller than another.");
    return;
  }
  printPlan(plan);
  if (plan.moves.length === 0) return;
  if (options.apply !== true) {
    tell("Nothing was moved. With --apply these moves are made.");
    return;
  }
  await makeMoves(session, plan, { ...options, signal });
}

function providerNamed(name: string | undefined, providers: readonly Provider[]): Provider {
  const found = name === undefined && providers.length === 1 ? providers[0] : undefined;
  const named = providers.find(({ metadata }) => metadata.name === name) ?? found;
  if (named !== undefined) return named;
  const names = providers.map(({ metadata }) => metadata.name);
  throw new CliUserError(
    name === undefined ? `Which Provider? There are ${names.join(", ")}.` : `There is no Provider "${name}".`,
    { fix: names.map((each) => `viv rebalance ${each}`), exit: name === undefined ? "usage" : "notFound" },
  );
}
