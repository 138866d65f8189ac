// Does what `plan-setup.ts` planned, saying of each step whether it was done or was so already. Safe to repeat and to interrupt.

import { CliUserError } from "../cli-error.ts";
import { ensureDefaultNetwork } from "./default-network.ts";
import { gatherFacts, serviceSockets, socketAnswers } from "./gather-facts.ts";
import { neededGroups, planSetup, type ServiceName, type SetupStep } from "./plan-setup.ts";
import { runAsRoot, runQuietly } from "./run-host-command.ts";

export interface SetupReport {
  done(text: string): void;
  already(text: string): void;
  doing(text: string): void;
  note(text: string): void;
}

export interface SetupResult {
  /** Groups that only a new login, or `sg`, gives to this user's processes. */
  readonly newLoginFor: readonly string[];
}

export async function runSetup(
  report: SetupReport,
  options: { readonly user?: string; readonly wantsTpm?: boolean; readonly signal: AbortSignal },
): Promise<SetupResult> {
  const facts = await gatherFacts(options);
  let newLoginFor: readonly string[] = [];
  for (const step of planSetup(facts)) {
    if (step.kind === "new-login") newLoginFor = step.groups;
    else await runStep(step, { report, signal: options.signal });
  }
  return { newLoginFor };
}

interface StepContext {
  readonly report: SetupReport;
  readonly signal: AbortSignal;
}

async function runStep(step: Exclude<SetupStep, { kind: "new-login" }>, context: StepContext): Promise<void> {
  const { report, signal } = context;
  switch (step.kind) {
    case "already":
      report.already(step.what);
      return;
    case "install-packages":
      report.doing(`installing host packages: ${step.packages.join(" ")}`);
      await installWithApt(step, context);
      report.done("host packages installed");
      return;
    case "start-service":
      await startService(step, context);
      return;
    case "ensure-network":
      await ensureNetwork(step, context);
      return;
    case "join-groups":
      await runAsRoot("usermod", ["-aG", step.groups.join(","), step.user], { signal });
      report.done(`user "${step.user}" added to the groups ${step.groups.join(" and ")}`);
      return;
    case "open-kvm-device":
      await runAsRoot("chown", ["root:kvm", "/dev/kvm"], { signal });
      await runAsRoot("chmod", ["0660", "/dev/kvm"], { signal });
      report.done("/dev/kvm given to the group kvm (there is no udev here that does it)");
      return;
    case "make-lock-folder":
      await runAsRoot("mkdir", ["-p", "-m", "1777", "/run/lock"], { signal });
      await runAsRoot("ln", ["-sfn", "/run/lock", "/var/lock"], { signal });
      report.done("/var/lock made, where libvirt locks serial consoles");
      return;
    case "give-subordinate-ids":
      await runAsRoot("sh", ["-c", subordinateIdsScript, "sh", step.user], { signal });
      report.done(`user "${step.user}" given subordinate ids, for image builds without root`);
      return;
    case "let-group-use-libvirt":
      await runAsRoot("sh", ["-c", groupAccessScript], { signal });
      report.done(
        "libvirt lets the group libvirt in by its socket: without D-Bus polkit cannot (/etc/libvirt/libvirtd.conf)",
      );
      return;
    case "allow-guests-in-ufw":
      await runAsRoot("ufw", ["allow", "in", "on", "virbr0", "to", "any", "port", "67", "proto", "udp"], { signal });
      await runAsRoot("ufw", ["allow", "in", "on", "virbr0", "to", "any", "port", "53"], { signal });
      report.done("UFW is active: guests on virbr0 may now use this host's DHCP (67/udp) and DNS (53)");
      return;
    case "manual":
      throw new CliUserError(step.why, { fix: [...step.commands, "Then run `viv setup` again."], exit: "manual" });
  }
}

async function installWithApt(
  step: { readonly packages: readonly string[]; readonly refreshLists: boolean },
  { report, signal }: StepContext,
): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const refresh = async (): Promise<void> => {
    report.doing("fetching apt's package lists first");
    await runAsRoot("apt-get", ["-q", "update"], { signal, env });
  };
  const install = [
    "-q",
    "-y",
    "--no-install-recommends",
    "-o",
    "Dpkg::Options::=--force-confold",
    "install",
    ...step.packages,
  ];
  if (step.refreshLists) {
    await refresh();
  } else {
    const attempt = await runQuietly("apt-get", install, { signal, env, asRoot: true });
    if (attempt.code === 0) return;
    // Lists that are older than the mirror name files that are gone from it.
    await refresh();
  }
  await runAsRoot("apt-get", install, { signal, env });
}

/** The next range that nobody has, as useradd would choose it. */
const subordinateIdsScript = `set -eu
for kind in u g; do
  touch /etc/sub\${kind}id
  grep -q "^$1:" /etc/sub\${kind}id && continue
  first=$(awk -F: 'BEGIN { next_id = 100000 } $2 + $3 > next_id { next_id = $2 + $3 } END { print next_id }' /etc/sub\${kind}id)
  usermod --add-sub\${kind}ids "$first-$((first + 65535))" "$1"
done`;

/** Says it to libvirtd, and ends the one that runs: guests live on without it. */
const groupAccessScript = `set -eu
conf=/etc/libvirt/libvirtd.conf
sed -i -E 's/^(auth_unix_rw|unix_sock_group|unix_sock_rw_perms)[ =]/#&/' "$conf"
cat >> "$conf" <<'END'

# Set by "viv setup": there is no D-Bus here, so polkit cannot let the group libvirt in.
auth_unix_rw = "none"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
END
if [ -S ${serviceSockets.libvirtd} ] && [ -r /run/libvirtd.pid ]; then
  kill "$(cat /run/libvirtd.pid)" 2>/dev/null || true
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e /run/libvirtd.pid ] || break; sleep 0.5; done
  rm -f ${serviceSockets.libvirtd}
fi`;

async function startService(
  step: { readonly service: ServiceName; readonly through: "systemd" | "direct" },
  { report, signal }: StepContext,
): Promise<void> {
  const { service, through } = step;
  const socket = serviceSockets[service];
  const answered = await socketAnswers(socket);
  if (through === "systemd") await runAsRoot("systemctl", ["enable", "--now", service], { signal });
  else if (answered) {
    report.already(`${service} answers`);
    return;
  } else await runAsRoot(service, ["-d"], { signal });
  await waitForSocket(service, signal);
  report.done(
    through === "systemd" ? `${service} started and enabled through systemd` : `${service} started (no systemd here)`,
  );
}

async function waitForSocket(service: ServiceName, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await socketAnswers(serviceSockets[service]))) {
    signal.throwIfAborted();
    if (Date.now() > deadline) {
      throw new CliUserError(`${service} was started, but nothing answers on ${serviceSockets[service]} after 20 s.`, {
        fix: [`Run \`${service}\` as root in a terminal to see why it ends.`],
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Before a new login a fresh member of the group libvirt cannot open the socket yet, but root can. */
async function ensureNetwork({ asRoot }: { readonly asRoot: boolean }, { report, signal }: StepContext): Promise<void> {
  if (asRoot) {
    const args = [...process.execArgv, process.argv[1] ?? "", "setup", "--only-network"];
    await runAsRoot(process.execPath, args, { signal });
    report.done('network "default" is active and starts by itself');
    return;
  }
  const outcome = await ensureDefaultNetwork({ signal });
  if (outcome.length === 0) report.already('network "default" is active and starts by itself');
  else report.done(`network "default": ${outcome.join(", ")}`);
}

/** What to tell a user whose groups are not in effect yet. */
export function newLoginNote(groups: readonly string[]): string {
  return `Log out and in again to get the ${groups.length === 1 ? "group" : "groups"} ${groups.join(" and ")}, or prefix commands with \`sg ${neededGroups[0] ?? ""} -c '…'\` until then.`;
}
