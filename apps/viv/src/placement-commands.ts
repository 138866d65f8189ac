// The commands about hosts and where VMs are.

import { type Command } from "commander";
import { lazy, outputOption, withTimeout } from "./command-options.ts";
import { withNamespace } from "./global-options.ts";

export function addPlacementCommands(viv: Command, group: string): void {
  const explain = viv.command("explain").helpGroup(group).description("say why things are as they are");
  withNamespace(explain.command("placement"))
    .description("say for each host whether it can take a VM, and why not")
    .argument("<vm>")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/explain-placement.ts")).explainPlacement));
  withNamespace(viv.command("cordon"))
    .helpGroup(group)
    .description("put no further VM on a host; those that are there stay")
    .argument("<hosts...>")
    .action(lazy(async () => (await import("./commands/cordon.ts")).cordon));
  withNamespace(viv.command("uncordon"))
    .helpGroup(group)
    .description("let VMs be put on a host again")
    .argument("<hosts...>")
    .action(lazy(async () => (await import("./commands/cordon.ts")).uncordon));
  withTimeout(withNamespace(viv.command("drain")), "1h")
    .helpGroup(group)
    .description("cordon a host and move its VMs to others, live where they run")
    .argument("<host>")
    .option("--dry-run", "only print what would be moved, and what cannot be and why")
    .option("--shutdown", "shut down the VMs that cannot be moved")
    .option("--wait", "wait until the host is empty (default)")
    .option("--no-wait", "return when the migrations are made")
    .action(lazy(async () => (await import("./commands/drain.ts")).drain));
  withTimeout(withNamespace(viv.command("rebalance")), "1h")
    .helpGroup(group)
    .description("plan moves that bring VMs to where they may be and spread them over hosts")
    .argument("[provider]", "may be left out where there is only one")
    .option("--apply", "make the moves that are printed")
    .option("--wait", "wait until they are made (default)")
    .option("--no-wait", "return when the migrations are made")
    .action(lazy(async () => (await import("./commands/rebalance.ts")).rebalance));
}
