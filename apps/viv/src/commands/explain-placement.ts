// `viv explain placement`: for each host whether it can take a VM, by the scheduler's own rules and the objects as they are now.

import { VirtualMachine } from "@vivarium/api";
import type { HostVerdict } from "@vivarium/controllers";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { readPlacementState } from "../session/placement-state.ts";

export async function explainPlacement(
  name: string,
  options: GlobalOptions & { readonly output?: "json" | "yaml" },
): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace } = session;
  const vm = await session.client.get(VirtualMachine, { namespace, name }, { signal });
  const { placer } = await readPlacementState(session, signal);
  const provider = placer.providerOf(vm);
  if (provider === undefined) {
    throw new CliUserError(`No Provider can be told for VM "${name}".`, { fix: [`viv describe vm ${name}`] });
  }
  const placement = placer.place(vm, provider);
  const host = placer.ledger.hostOf(vm.metadata.uid ?? "");
  const broken = host === undefined ? [] : placer.whyNotThere(vm, provider).map(({ message }) => message);
  const best = placement.kind === "chosen" ? placement.host : undefined;
  const problems = placement.kind === "none" ? placement.problems : [];
  if (options.output !== undefined) {
    const { verdicts } = placement;
    await showValue({ vm: name, host: host ?? null, best: best ?? null, broken, problems, verdicts }, options.output);
    return;
  }
  print(host === undefined ? `vm/${name} is on no host yet.` : `vm/${name} is on host "${host}".`);
  for (const message of broken) print(`It could not be put there today: ${message}.`);
  for (const problem of problems) print(`No host can take it: ${problem}.`);
  const rows = placement.verdicts.map((verdict) => [
    verdict.host,
    verdictOf(verdict, best),
    String(verdict.preference),
    `${verdict.freePercent}%`,
    verdict.obstacles.map(({ message }) => message).join("; "),
  ]);
  print(textTable(["host", "verdict", "preference", "free after", "why not"], rows));
}

function verdictOf({ host, obstacles }: HostVerdict, best: string | undefined): string {
  if (obstacles.length > 0) return "no";
  return host === best ? "best" : "yes";
}
