// Declarations of the commands for those who want a lab and no manifests.

import { exportFormats } from "@vivarium/api";
import type { Command } from "commander";
import { Option } from "commander";
import { collect, lazy, outputOption, parseCount, withTimeout } from "./command-options.ts";
import { withNamespace } from "./global-options.ts";

export function addLabCommands(viv: Command, group: string): void {
  withTimeout(withNamespace(viv.command("create")), "30m")
    .helpGroup(group)
    .description("make a VM, and what it needs where that is not there: Provider and image")
    .argument("<name>")
    .option("--role <name>", "VMRole of it, in the place of an image: docker, k8s, …")
    .option("--image <name>", "VMImage of its root disk (default: debian)")
    .option(
      "--template <name>",
      "VMTemplate that it is made of, and nothing else but a class: the last version of it that is ready",
    )
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
  withTimeout(withNamespace(viv.command("export")), "2h")
    .helpGroup(group)
    .description(
      "make an image or a file of a VM's root disk; a VM that runs is shut down meanwhile, and started again",
    )
    .argument("<name>")
    .argument("[target]", "name of the VMImage, a new one")
    .option("--file <path>", "write a file instead, which must not be there yet")
    .addOption(new Option("--format <format>", "of the file (default: as its name ends)").choices(exportFormats))
    .option("--take <vmexport>", "with --file: make nothing, fetch what this VMExport has made or makes")
    .addOption(
      new Option("--verify <how>", "boot: a throw-away machine of it must come up; digest: only compare")
        .choices(["boot", "digest"])
        .default("boot"),
    )
    .option("--console-text <text>", "what the serial line of that machine says once it is up (default: login:)")
    .option("--live", "let it run: what is made holds what is on the disk at that moment")
    .option("--wait", "wait until it is there (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/export.ts")).exportMachine));
  withNamespace(viv.command("operations"))
    .helpGroup(group)
    .description("list work that took a second or more: start, duration, outcome")
    .argument("[object]", "only of objects of this name")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("--running", "only what goes on now")
    .option("--failed", "only what failed")
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/operations.ts")).operations));
  withNamespace(viv.command("menu"))
    .helpGroup(group)
    .description("choose instead of typing: VMs, and what to do with them")
    .action(lazy(async () => (await import("./commands/menu.ts")).menu));
  const from = viv.command("import").helpGroup(group).description("take machines over from elsewhere");
  from
    .command("vagrant")
    .description("print manifests of a Vagrantfile's machines, and say what could not be taken over; nothing is run")
    .argument("[file]", "default: Vagrantfile")
    .option("--image <box=name>", "VMImage to use for a box; may be repeated", collect, [])
    .action(lazy(async () => (await import("./commands/import-vagrant.ts")).importVagrant));
  addGroupCommands(viv, group);
  addEnvironmentCommands(viv, group);
}

function addEnvironmentCommands(viv: Command, helpGroup: string): void {
  const env = viv.command("env").helpGroup(helpGroup).description("ready-made environments of one or several VMs");
  env
    .command("list")
    .description("list those that there are")
    .action(lazy(async () => (await import("./commands/env.ts")).listEnvironments));
  withTimeout(withNamespace(env.command("create")), "1h")
    .description("make one, and start its VMs in order")
    .argument("<environment>")
    .argument("[name]", "name of its group, and the beginning of its VMs' names (default: the environment's)")
    .option("--wait", "wait until all its VMs are up (default)")
    .option("--no-wait", "return when the objects are stored")
    .addOption(new Option("--dry-run <what>", "make nothing: only print what would be made").choices(["client"]))
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/env.ts")).createEnvironment));
}

function addGroupCommands(viv: Command, helpGroup: string): void {
  const group = viv
    .command("group")
    .helpGroup(helpGroup)
    .description("start, stop, snapshot and delete several VMs at once, in the order of what needs what");
  withNamespace(group.command("create"))
    .description("make a group of VMs that are there, or will be")
    .argument("<name>")
    .argument("[vms...]", "VM, or VM:NEEDED,NEEDED for one that needs others")
    .option("-l, --selector <labels>", "VMs with these labels too")
    .action(lazy(async () => (await import("./commands/group.ts")).createGroup));
  withNamespace(group.command("list"))
    .description("list groups")
    .option("-A, --all-namespaces", "in all namespaces")
    .addOption(outputOption(["json", "yaml", "wide", "name"]))
    .action(lazy(async () => (await import("./commands/get.ts")).listGroups));
  withNamespace(group.command("status"))
    .description("show a group's VMs, and how its last operation went")
    .argument("<name>")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/group.ts")).groupStatus));
  const operation = (verb: string, description: string): Command =>
    withTimeout(withNamespace(group.command(verb)), "30m")
      .description(description)
      .argument("<name>")
      .option("--wait", "wait until it is done (default)")
      .option("--no-wait", "return when the wish is stored");
  operation("start", "start its VMs, each when those that it needs are ready").action(
    lazy(async () => (await import("./commands/group.ts")).startGroup),
  );
  operation("stop", "stop its VMs, each when none that needs it runs")
    .option("--force", "pull the plug at once")
    .action(lazy(async () => (await import("./commands/group.ts")).stopGroup));
  operation("snapshot", "take a snapshot of each of its VMs")
    .argument("[snapshot]", "the snapshots are named VM-SNAPSHOT")
    .action(lazy(async () => (await import("./commands/group.ts")).snapshotGroup));
  operation("delete", "delete its VMs with their disks, then the group")
    .option("-y, --yes", "do not ask")
    .option("--force", "the same as --yes")
    .action(lazy(async () => (await import("./commands/group.ts")).deleteGroup));
}
