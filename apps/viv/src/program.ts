// The command line: every command, its arguments and options. What a command does is in commands/<name>.ts and loaded only when it runs,
// so that help and completion stay quick.

import { Command, Option } from "commander";
import {
  collect,
  lazy,
  outputOption,
  parseCount,
  parsePort,
  parsePositive,
  parseTimeout,
  withTimeout,
} from "./command-options.ts";
import { withNamespace, withServerOptions } from "./global-options.ts";
import { addImageCommands } from "./image-commands.ts";
import { addLabCommands } from "./lab-commands.ts";
import { addPlacementCommands } from "./placement-commands.ts";
import { version } from "@vivarium/api";

const groups = {
  machine: "This machine:",
  lab: "The lab:",
  objects: "Objects:",
  power: "Virtual machines:",
  images: "Images:",
  hosts: "Hosts:",
  guest: "Inside a virtual machine:",
} as const;

export function program(): Command {
  const viv = new Command("viv")
    .description("Virtual machines from a manifest to an SSH prompt. The same API serves kubectl.")
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  addMachineCommands(viv);
  addLabCommands(viv, groups.lab);
  addObjectCommands(viv);
  addAdoptCommand(viv);
  addPowerCommands(viv);
  addRolloutCommands(viv);
  addMigrateCommand(viv);
  addSnapshotCommands(viv);
  addCloneCommands(viv);
  addImageCommands(viv, groups.images);
  addTemplateCommands(viv);
  addPlacementCommands(viv, groups.hosts);
  addGuestCommands(viv);
  return viv;
}

function addMachineCommands(viv: Command): void {
  withTimeout(withServerOptions(viv.command("up")), "30m")
    .helpGroup(groups.machine)
    .description("prepare the host, start the server, apply a manifest and wait until its VMs answer over SSH")
    .option("-f, --filename <file>", "manifest to apply instead of the quick start")
    .option("--skip-setup", "do not look at the host's packages, services and network")
    .option("--server-only", "nothing but the host and the server; at once when it answers already")
    .option("--no-wait", "apply and return")
    .action(lazy(async () => (await import("./commands/up.ts")).up));
  withTimeout(withServerOptions(viv.command("down")), "5m")
    .helpGroup(groups.machine)
    .description("power the manifest's VMs off gracefully and stop the server")
    .option("-f, --filename <file>", "manifest instead of the quick start")
    .option("--delete", "delete the manifest's objects, disks included")
    .action(lazy(async () => (await import("./commands/down.ts")).down));
  viv
    .command("setup")
    .helpGroup(groups.machine)
    .description("install and start what the host lacks; changes nothing that is there")
    .option("--user <name>", "also put this user into the groups that reach libvirt")
    .option("--tpm", "also what guests with a TPM need (swtpm)")
    .addOption(new Option("--only-network", "the default network alone").hideHelp())
    .action(lazy(async () => (await import("./commands/setup.ts")).setup));
  withServerOptions(viv.command("check"))
    .helpGroup(groups.machine)
    .description("say what of this host works, what is missing, and how to mend it")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/check.ts")).check));
  addServerCommand(viv);
  withNamespace(viv.command("status"))
    .helpGroup(groups.machine)
    .description("show the server, its hypervisors and VMs, or where one VM stands")
    .argument("[vm]")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/status.ts")).status));
  viv
    .command("completion")
    .helpGroup(groups.machine)
    .description("print a completion script")
    .argument("<shell>", "bash, zsh or fish")
    .action(lazy(async () => (await import("./commands/completion.ts")).completion));
}

function addServerCommand(viv: Command): void {
  const server = withAccessOptions(withStoreOptions(viv.command("server")))
    .helpGroup(groups.machine)
    .description("run the API server and the controllers")
    .option("--state-dir <dir>", "where everything is kept (or VIV_STATE_DIR)")
    .option("--host <address>", "address to listen on; 0.0.0.0 is all (default: 127.0.0.1)")
    .option("--port <port>", "port; 0 picks a free one (default: 7443, or the last one)", parsePort)
    .option("--image-builds <count>", "how many ImageBuilds go on at once (default: 2)", parsePositive)
    .option("--detach", "in the background; returns when it is ready")
    .action(lazy(async () => (await import("./commands/server.ts")).server));
  server
    .command("stop")
    .description("end the server; VMs go on running")
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)")
    .action(lazy(async () => (await import("./commands/server.ts")).stopServerCommand));
  server
    .command("user")
    .description("make a kubeconfig with a client certificate; role bindings say what the user may do")
    .argument("<name>")
    .option("--group <name>", "group of the user; may be repeated", collect, [])
    .option("--days <count>", "how long the certificate holds", parseCount, 365)
    .option("--server <url>", "address to put into it (default: that of the running server)")
    .option("-o, --output <file>", "write it there instead of to stdout")
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)")
    .action(lazy(async () => (await import("./commands/server-user.ts")).serverUser));
  withServerOptions(server.command("rotate-keys"))
    .description("make a new key for Secrets and encrypt them all with it, while the server runs")
    .option("--no-new-key", "only encrypt again with the first key of the key file")
    .action(lazy(async () => (await import("./commands/rotate-keys.ts")).rotateKeys));
  withStoreOptions(server.command("backup"))
    .description("write all objects to a file, while the server runs or not, and read it back")
    .argument("<file>")
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)")
    .action(lazy(async () => (await import("./commands/backup.ts")).backup));
  withStoreOptions(server.command("restore"))
    .description("take all objects from a backup; the server must be stopped")
    .argument("<file>")
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)")
    .option("--force", "replace the objects that are there")
    .action(lazy(async () => (await import("./commands/backup.ts")).restore));
  withStoreOptions(server.command("migrate-store"))
    .description("bring all objects from the SQLite file to etcd; the server must be stopped")
    .addOption(new Option("--to <kind>", "where to").choices(["etcd"]).makeOptionMandatory())
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)")
    .action(lazy(async () => (await import("./commands/migrate-store.ts")).migrateStore));
}

function addObjectCommands(viv: Command): void {
  withTimeout(withNamespace(viv.command("apply")), "30m")
    .helpGroup(groups.objects)
    .description("create or change the objects of manifests")
    .option("-f, --filename <path>", "file, folder or - for stdin; may be repeated", collect, [])
    .option("--wait", "wait until the VMs among them are Ready")
    .option("--no-wait", "return when the objects are stored")
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/apply.ts")).apply));
  withNamespace(viv.command("plan"))
    .helpGroup(groups.objects)
    .description("say what apply would do with manifests: live, by a restart, only in a new VM, or not at all")
    .option("-f, --filename <path>", "file, folder or - for stdin; may be repeated", collect, [])
    .action(lazy(async () => (await import("./commands/plan.ts")).plan));
  withNamespace(viv.command("get"))
    .helpGroup(groups.objects)
    .description("show objects: viv get vm, viv get vm web-1 -o yaml, viv get vm,image -A")
    .argument("<kinds>", "kind, plural or short name; several with commas; or kind/name")
    .argument("[names...]")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("-l, --selector <labels>", "only objects with these labels")
    .option("-w, --watch", "go on showing changes")
    .addOption(outputOption(["json", "yaml", "wide", "name"]))
    .action(lazy(async () => (await import("./commands/get.ts")).get));
  withNamespace(viv.command("describe"))
    .helpGroup(groups.objects)
    .description("show an object with its conditions and events")
    .argument("<kind>", "kind or kind/name")
    .argument("[names...]")
    .action(lazy(async () => (await import("./commands/describe.ts")).describe));
  withTimeout(withNamespace(viv.command("delete")), "5m")
    .helpGroup(groups.objects)
    .description("delete objects; of a VM that is the domain, its disks and its seed")
    .argument("[kind]", "kind or kind/name")
    .argument("[names...]")
    .option("-f, --filename <path>", "the objects of this manifest; may be repeated", collect, [])
    .option("--ignore-not-found", "an object that is not there is no error")
    .option("-y, --yes", "do not ask")
    .option("--force", "the same as --yes")
    .option("--wait", "wait until they are gone (default)")
    .option("--no-wait", "return when the deletion is accepted")
    .action(lazy(async () => (await import("./commands/delete.ts")).deleteObjects));
}

function addAdoptCommand(viv: Command): void {
  withTimeout(withNamespace(viv.command("adopt")), "2m")
    .helpGroup(groups.objects)
    .description("make VMs of domains that are on the hypervisor already; domains and disks stay as they are")
    .argument("[provider]", "may be left out where there is only one")
    .option("--dry-run", "only tell what would be adopted, and what cannot be and why")
    .option("--name <regex>", "only domains whose name matches")
    .addOption(new Option("--power <state>", "only domains in this state").choices(["on", "off", "suspended"]))
    .option("--host <name>", "only domains on this host")
    .option("--metadata <uri=regex>", "only domains with such metadata; may be repeated", collect, [])
    .option("--keep", "go on: adopt also what comes later")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/adopt.ts")).adopt));
}

function addPowerCommands(viv: Command): void {
  withNamespace(viv.command("list"))
    .helpGroup(groups.power)
    .description("list VMs")
    .option("-A, --all-namespaces", "in all namespaces")
    .addOption(outputOption(["json", "yaml", "wide", "name"]))
    .action(lazy(async () => (await import("./commands/list.ts")).list));
  withNamespace(viv.command("info"))
    .helpGroup(groups.power)
    .description("show what a VM is made of and how to reach it")
    .argument("<vm>")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/info.ts")).info));
  withNamespace(viv.command("top"))
    .helpGroup(groups.power)
    .description("show what VMs use: CPU, memory, disk and network")
    .argument("[vm]")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("--hosts", "a line per host: what is used, requested and there")
    .option("--groups", "a line per VMGroup: what its VMs use and have requested")
    .option("--history", "every sample that the server keeps of one VM, oldest first")
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/top.ts")).top));
  for (const verb of ["start", "stop", "restart", "pause", "resume", "suspend", "reboot", "reset"] as const) {
    const command = withTimeout(withNamespace(viv.command(verb)), "5m")
      .helpGroup(groups.power)
      .description(
        {
          start: "power VMs on",
          stop: "shut VMs down: ask the guest, then pull the plug after the VM's time-out",
          restart: "shut VMs down and power them on again",
          pause: "halt VMs' CPUs; their memory stays on the host",
          resume: "let VMs that are paused or suspended go on",
          suspend: "save VMs' memory to disk and power them off; start or resume goes on from there",
          reboot: "ask guests to reboot",
          reset: "press VMs' reset button",
        }[verb],
      )
      .argument("[vms...]", "may be left out where there is only one")
      .option("--wait", "wait until it is so (default)")
      .option("--no-wait", "return when the wish is stored");
    if (verb === "start") command.option("--cold", "throw saved memory away: the guest boots");
    if (verb === "stop") command.option("--force", "pull the plug at once");
    command.action(lazy(async () => (await import("./commands/power.ts"))[verb]));
  }
}

function addRolloutCommands(viv: Command): void {
  const rollout = viv
    .command("rollout")
    .helpGroup(groups.power)
    .description("follow, stop and undo changes of a VMSet");
  const verb = (name: string, description: string): Command =>
    withNamespace(rollout.command(name)).description(description).argument("<vmset>");
  withTimeout(verb("status", "wait until every machine is of the template as it is now, and available"), "30m")
    .option("--no-wait", "say where it stands and return")
    .action(lazy(async () => (await import("./commands/rollout.ts")).status));
  verb("history", "list the templates that the set had")
    .option("--revision <number>", "print the template of this one", parseCount)
    .addOption(outputOption(["json", "yaml"]))
    .action(lazy(async () => (await import("./commands/rollout.ts")).history));
  verb("undo", "go back to an earlier template")
    .option("--to-revision <number>", "to this one (default: the one before)", parseCount)
    .action(lazy(async () => (await import("./commands/rollout.ts")).undo));
  verb("pause", "let changes of the template wait").action(
    lazy(async () => (await import("./commands/rollout.ts")).pause),
  );
  verb("resume", "let them go on").action(lazy(async () => (await import("./commands/rollout.ts")).resume));
  verb("restart", "replace every machine by one of the same template").action(
    lazy(async () => (await import("./commands/rollout.ts")).restart),
  );
}

function addMigrateCommand(viv: Command): void {
  withTimeout(withNamespace(viv.command("migrate")), "4h")
    .helpGroup(groups.power)
    .description("move a VM to another host of its Provider")
    .argument("<vm>")
    .option("--to <host>", "the host to move it to")
    .addOption(new Option("--live", "only while it runs").conflicts("offline"))
    .option("--offline", "shut it down for the move, and start it there")
    .option("--copy-storage", "copy its disks (default: where the hosts do not share them)")
    .option("--no-copy-storage", "move nothing where the hosts do not share its disks")
    .option("--max-downtime <duration>", "how long the guest may stand still (default: 300ms)")
    .option("--max-bandwidth <quantity>", "most bytes per second, for example 100Mi")
    .option("--auto-converge", "slow the guest down where it changes its memory too fast")
    .option("--post-copy", "let it go on there before all of its memory is, where it changes it too fast")
    .addOption(new Option("--cancel", "give up the migration that is going on").conflicts("to"))
    .option("--wait", "wait until it is there (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/migrate.ts")).migrate));
}

function addSnapshotCommands(viv: Command): void {
  const snapshot = viv
    .command("snapshot")
    .helpGroup(groups.power)
    .description("take snapshots of a VM, go back to them, remove them");
  withTimeout(withNamespace(snapshot.command("create")), "10m")
    .description("take a snapshot")
    .argument("<vm>")
    .argument("[name]", "name of the VMSnapshot (default: the VM's name and the time)")
    .option("--memory", "the memory of a VM that runs belongs to it")
    .option("--quiesce", "only with file systems held still by the guest agent")
    .option("--no-quiesce", "without the guest's help")
    .addOption(new Option("--method <method>", "how it is kept").choices(["External", "Internal"]))
    .option("--description <text>", "what it is for")
    .option("--max-age <duration>", "remove it after this time, for example 7d")
    .option("--wait", "wait until it is taken (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/snapshot.ts")).createSnapshot));
  withNamespace(snapshot.command("schedule"))
    .description("take snapshots of a VM by the clock; they stay when the schedule is deleted")
    .argument("<vm>")
    .argument("[name]", "name of the VMSnapshotSchedule (default: the VM's name)")
    .addOption(new Option("--cron <fields>", 'when: "30 2 * * *", @daily, "@every 6h"').makeOptionMandatory())
    .option("--time-zone <name>", "of the fields, for example Europe/Berlin (default: UTC)")
    .option("--keep <count>", "how many are kept (default: 3)", parseCount)
    .action(lazy(async () => (await import("./commands/snapshot-schedule.ts")).scheduleSnapshots));
  withNamespace(snapshot.command("list"))
    .description("show a VM's snapshots as a tree; * is what the VM is at")
    .argument("<vm>")
    .addOption(outputOption(["json", "yaml", "name"]))
    .action(lazy(async () => (await import("./commands/snapshot.ts")).listSnapshots));
  withTimeout(withNamespace(snapshot.command("revert").alias("restore")), "10m")
    .description("bring a VM back to a snapshot; what was not in any snapshot is lost")
    .argument("<vm>")
    .argument("<name>")
    .option("--wait", "wait until it is back (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/snapshot.ts")).revertToSnapshot));
  withTimeout(withNamespace(snapshot.command("delete")), "10m")
    .description("remove snapshots, wherever in the tree they are")
    .argument("<names...>")
    .option("--vm <name>", "only if they are of this VM")
    .option("--wait", "wait until their space is given back (default)")
    .option("--no-wait", "return when the deletion is accepted")
    .action(lazy(async () => (await import("./commands/snapshot.ts")).deleteSnapshots));
}

function addCloneCommands(viv: Command): void {
  withTimeout(withNamespace(viv.command("clone")), "30m")
    .helpGroup(groups.power)
    .description("make a VM of another one, which may run, of a template or of an image")
    .argument("<source>", "name of a VM, or template/NAME, or image/NAME")
    .argument("<target>", "name of the new VM; with --count TARGET-1, TARGET-2, …")
    .option("--linked", "keep only what differs: quick and small, and needs its source")
    .option("--from-snapshot <name>", "as the source was at this snapshot")
    .option("--count <count>", "how many", parseCount)
    .option("--class <name>", "another VMClass")
    .option("--hostname <name>", "host name in the guest (default: the VM's name)")
    .option("--target-namespace <name>", "another namespace, which must agree")
    .option("--no-start", "leave it off")
    .option("--wait", "wait until it is made (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/clone.ts")).clone));
  withTimeout(withNamespace(viv.command("unlink")), "4h")
    .helpGroup(groups.power)
    .description("make a linked clone independent of what it was made from, while it runs or is off")
    .argument("<vm>")
    .option("--wait", "wait until it is (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/unlink.ts")).unlink));
}

function addTemplateCommands(viv: Command): void {
  const template = viv
    .command("template")
    .helpGroup(groups.power)
    .description("keep a VM as it is to make others of: viv clone template/NAME TARGET");
  withTimeout(withNamespace(template.command("create")), "1h")
    .description("keep a VM's disks and settings")
    .argument("<name>")
    .requiredOption("--from <vm>", "the VM, which may run")
    .option("--from-snapshot <name>", "as the VM was at this snapshot")
    .option("--version-of <name>", "name that its versions share")
    .option("--template-version <version>", "which version it is")
    .option("-l, --label <key=value>", "label; may be repeated", collect, [])
    .option("--description <text>", "what it is for")
    .option("--wait", "wait until it is made (default)")
    .option("--no-wait", "return when the wish is stored")
    .action(lazy(async () => (await import("./commands/template.ts")).createTemplate));
  withNamespace(template.command("list"))
    .description("show templates")
    .option("-l, --selector <labels>", "only those with these labels, for example app=web")
    .addOption(outputOption(["json", "yaml", "wide", "name"]))
    .action(lazy(async () => (await import("./commands/template.ts")).listTemplates));
  withTimeout(withNamespace(template.command("delete")), "10m")
    .description("remove templates; one that disks of VMs back onto waits for them")
    .argument("<names...>")
    .option("--wait", "wait until they are gone (default)")
    .option("--no-wait", "return when the deletion is accepted")
    .action(lazy(async () => (await import("./commands/template.ts")).deleteTemplates));
}

function addGuestCommands(viv: Command): void {
  withNamespace(viv.command("ip"))
    .helpGroup(groups.guest)
    .description("print a VM's IP address")
    .argument("<vm>")
    .option("--all", "all addresses, one a line")
    .action(lazy(async () => (await import("./commands/ip.ts")).ip));
  withNamespace(viv.command("ssh"))
    .helpGroup(groups.guest)
    .description("log in to a VM, or run a command there; ends with the remote exit code")
    .argument("[vm]", "may be left out where there is only one")
    .argument("[command...]")
    .option("-l, --login <user>", "user in the guest (default: what the VM's user-data or image says)")
    .option("-i, --identity <file>", "private key")
    .passThroughOptions()
    .action(lazy(async () => (await import("./commands/ssh.ts")).ssh));
  withNamespace(viv.command("console"))
    .helpGroup(groups.guest)
    .description("attach to a VM's serial console; ^] leaves")
    .argument("<vm>")
    .action(lazy(async () => (await import("./commands/console.ts")).attachConsole));
  withNamespace(viv.command("vnc"))
    .helpGroup(groups.guest)
    .description("give a VNC viewer on this machine a VM's screen, until Ctrl-C")
    .argument("<vm>")
    .option("--port <port>", "port on loopback to listen on (default: a free one)", parsePort)
    .option("--url", "print a WebSocket address for noVNC instead; it holds for one connection in the next minute")
    .action(lazy(async () => (await import("./commands/vnc.ts")).vnc));
  withNamespace(viv.command("screenshot"))
    .helpGroup(groups.guest)
    .description("write a picture of a VM's screen")
    .argument("<vm>")
    .requiredOption("-o, --output <file>", "PNG file, or - for stdout")
    .action(lazy(async () => (await import("./commands/screenshot.ts")).screenshot));
  withNamespace(viv.command("logs"))
    .helpGroup(groups.guest)
    .description("print what a VM's serial console has printed")
    .argument("<vm>")
    .option("-f, --follow", "go on printing")
    .option("--tail <lines>", "only so many last lines", parseCount)
    .action(lazy(async () => (await import("./commands/logs.ts")).logs));
}

/** Where the objects are kept. */
function withAccessOptions(command: Command): Command {
  return command
    .option("--client-ca <file>", "also take client certificates that these authorities signed")
    .option("--oidc-issuer-url <url>", "take ID tokens of this OpenID Connect provider")
    .option("--oidc-client-id <id>", "whom the ID tokens must be for")
    .option("--oidc-username-claim <claim>", "claim with the user's name (default: sub)")
    .option("--oidc-username-prefix <text>", "put before the name; - for nothing (default: the issuer and #)")
    .option("--oidc-groups-claim <claim>", "claim with the user's groups")
    .option("--oidc-groups-prefix <text>", "put before each group")
    .option("--oidc-ca <file>", "certificates that the provider's is checked with")
    .option("--service-account-issuer <url>", "issuer of service accounts' tokens (default: https://vivarium.internal)")
    .option("--service-account-keys <file>", "keys that sign these tokens (default: made in the state dir)")
    .option("--encryption-keys <file>", "keys that Secrets are encrypted with (default: made in the state dir)")
    .option("--audit-log <file>", "where changes and refusals are told (default: audit/audit.log in the state dir)")
    .addOption(
      new Option("--audit-level <level>", "how much is told (default: request)").choices(["metadata", "request"]),
    )
    .option("--audit-max-size <MiB>", "size at which a new file begins (default: 100)", parseCount)
    .option("--audit-keep <count>", "how many full files are kept (default: 10)", parseCount)
    .option("--no-audit", "tell nothing");
}

function withStoreOptions(command: Command): Command {
  return command
    .addOption(new Option("--store <kind>", "where objects are kept (default: sqlite)").choices(["sqlite", "etcd"]))
    .option("--etcd-endpoints <urls>", "the cluster's members, with commas: https://HOST:2379,https://HOST:2379")
    .option("--etcd-prefix <prefix>", "before all keys in the cluster (default: /vivarium)")
    .option("--etcd-ca <file>", "certificates that the cluster's are checked with")
    .option("--etcd-cert <file>", "client certificate")
    .option("--etcd-key <file>", "key of the client certificate")
    .option("--etcd-user <name>", "user of the cluster")
    .option("--etcd-password-file <file>", "file with the password of that user")
    .option(
      "--etcd-compaction-interval <duration>",
      "how often old history is dropped, and how much is kept; 0 leaves it to others (default: 5m)",
      parseTimeout,
    );
}
