// Declarations of the commands for those who want a lab and no manifests.

import type { Command } from "commander";
import { Option } from "commander";
import { collect, lazy, outputOption, parseCount, withTimeout } from "./command-options.ts";
import { withNamespace } from "./global-options.ts";

export function addLabCommands(viv: Command, group: string): void {
  withTimeout(withNamespace(viv.command("create")), "30m")
    .helpGroup(group)
    .description("make a VM, and what it needs where that is not there: Provider and image")
    .argument("<name>")
    .option("--image <name>", "VMImage of its root disk (default: debian)")
    .option("--class <name>", "VMClass that gives its size")
    .option("--cpus <count>", "CPUs (default: 2 without a class)", parseCount)
    .option("--memory <size>", "memory, for example 2Gi (default: 1Gi without a class)")
    .option("--disk <size>", "size of the root disk, for example 20Gi (default: 10Gi without a class)")
    .option("--network <name>", "VMNetworkAttachment to plug into; may be repeated", collect, [])
    .option("--provider <name>", "Provider to run on; may be left out where there is only one")
    .option("--label <key=value>", "label; may be repeated", collect, [])
    .option("--user-data <file>", "cloud-init user-data; - for stdin")
    .option("--off", "do not start it")
    .option("--wait", "wait until it is Ready")
    .option("--no-wait", "return when the object is stored (default)")
    .addOption(new Option("--dry-run <what>", "make nothing: only print what would be made").choices(["client"]))
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/create.ts")).create));
}
