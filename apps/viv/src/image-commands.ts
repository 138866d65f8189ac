// Declarations of the commands about images: which there are and why, and how layers are built.

import type { Command } from "commander";
import { lazy, outputOption, withTimeout } from "./command-options.ts";
import { withNamespace, withServerOptions } from "./global-options.ts";

export function addImageCommands(viv: Command, helpGroup: string): void {
  const images = withNamespace(viv.command("images"))
    .helpGroup(helpGroup)
    .description("list images: role, source, parent, size, digest, when verified, what uses them")
    .argument("[text]", "only those with this in their name, role, source or parent")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("--role <name>", "only those of this role")
    .option("--unused", "only those that nothing uses")
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/images.ts")).listImages));
  withNamespace(images.command("why"))
    .description("explain which image a VM or a role takes, or what an image is built upon, and where each stands")
    .argument("<name>", "a VM, a VMImage or a role, in this order; or vm/NAME, image/NAME, role/NAME")
    .action(lazy(async () => (await import("./commands/images-why.ts")).whyImage));
  withTimeout(withNamespace(images.command("validate")), "1h")
    .description("read the files of images again, and compare them with their digests; changes nothing")
    .argument("[name...]", "VMImages; all of the namespace when absent")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/images-validate.ts")).validateImages));
  withNamespace(images.command("flatten"))
    .description("write an image with all that it is built upon as one compressed file that needs no other")
    .argument("<image>")
    .argument("<file>", "ends with .qcow2, .raw or .vmdk")
    .option("--provider <name>", "where to take it from (default: the first that has it)")
    .action(lazy(async () => (await import("./commands/images-flatten.ts")).flattenImage));
  withServerOptions(images.command("backup"))
    .description(
      "copy the files of all images into a folder, with their records; what is there already is not copied again",
    )
    .argument("<folder>", "made when it is not there")
    .option("--prune", "remove from the folder what is of no VMImage any more")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/images-backup.ts")).backUpImages));
  withTimeout(withServerOptions(images.command("restore")), "1h")
    .description("put back from such a folder what is damaged or gone; what is whole stays as it is")
    .argument("<folder>")
    .option("--dry-run", "only tell what would be put back")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/images-restore.ts")).restoreImages));
  withNamespace(viv.command("roles"))
    .helpGroup(helpGroup)
    .description("list the roles that machines can have")
    .action(lazy(async () => (await import("./commands/roles.ts")).listRoles));
  withTimeout(withNamespace(viv.command("build")), "2h")
    .helpGroup(helpGroup)
    .description("build the image of a role, and those that it is built upon")
    .argument("<role>")
    .option("--image <name>", "plain image to begin with, one of those that the role names")
    .option("--provider <name>", "Provider to build on; may be left out where there is only one")
    .option("--priority <number>", "higher goes first", Number)
    .option("--keep-on-failure", "leave the machine of a build that fails, for a look inside")
    .option("--wait", "wait until it is built (default)")
    .option("--no-wait", "return when it is queued")
    .action(lazy(async () => (await import("./commands/build.ts")).build));
  addBuildsCommands(viv, helpGroup);
}

function addBuildsCommands(viv: Command, helpGroup: string): void {
  const builds = withNamespace(viv.command("builds"))
    .helpGroup(helpGroup)
    .description("list builds of images: queued, under way and ended")
    .option("-A, --all-namespaces", "in all namespaces")
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/builds.ts")).listBuilds));
  withNamespace(builds.command("logs"))
    .description("print what the guest of a build says")
    .argument("<name>")
    .option("-f, --follow", "go on as it says more, until the build has ended")
    .action(lazy(async () => (await import("./commands/builds.ts")).buildLogs));
  withNamespace(builds.command("cancel"))
    .description("stop a build, and remove what was made so far")
    .argument("<name>")
    .action(lazy(async () => (await import("./commands/builds.ts")).cancelBuild));
  withNamespace(builds.command("retry"))
    .description("try a build again that failed or was cancelled")
    .argument("<name>")
    .action(lazy(async () => (await import("./commands/builds.ts")).retryBuild));
}
