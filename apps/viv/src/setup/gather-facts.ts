// Looks at the host for `plan-setup.ts`. Changes nothing, and is quick when everything is in place.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { packagesFor, type PackageManager } from "./host-packages.ts";
import { defaultNetworkState } from "./default-network.ts";
import type { HostFacts, ServiceName } from "./plan-setup.ts";
import { runQuietly } from "./run-host-command.ts";

export const serviceSockets: Readonly<Record<ServiceName, string>> = {
  libvirtd: "/run/libvirt/libvirt-sock",
  virtlogd: "/run/libvirt/virtlogd-sock",
};

export async function gatherFacts(options: {
  readonly user?: string;
  /** Packages that guests with a TPM need count as missing, too. */
  readonly wantsTpm?: boolean;
  readonly signal: AbortSignal;
}): Promise<HostFacts> {
  const isRoot = process.getuid?.() === 0;
  const user = options.user ?? userInfo().username;
  const packageManager = findPackageManager();
  const hasSystemd = existsSync("/run/systemd/system");
  const [missingPackages, libvirtd, virtlogd] = await Promise.all([
    packageManager === undefined
      ? []
      : missing(packageManager, {
          isRoot: isRoot && options.user === undefined,
          wantsTpm: options.wantsTpm === true,
          signal: options.signal,
        }),
    serviceState("libvirtd", hasSystemd),
    serviceState("virtlogd", hasSystemd),
  ]);
  return {
    packageManager,
    distribution: distributionName(),
    missingPackages,
    hasPackageLists: packageManager !== "apt" || hasAptLists(),
    isRoot: isRoot && options.user === undefined,
    hasSudo: isRoot || findProgram("sudo") !== undefined,
    user,
    effectiveGroups: options.user === undefined ? effectiveGroups() : [],
    memberOf: groupsOf(user),
    hasSystemd,
    services: { libvirtd, virtlogd },
    network: libvirtd.answers ? await defaultNetworkState({ signal: options.signal }) : "unknown",
    hasSubordinateIds: hasSubordinateIds(user),
    kvmDevice: kvmDevice(),
    socketAccess: socketAccess(),
    hasDBus: existsSync("/run/dbus/system_bus_socket"),
    hasLockFolder: existsSync("/var/lock"),
    firewall: await firewallState(options.signal),
  };
}

function distributionName(): string {
  if (!existsSync("/etc/os-release")) return "This system";
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "This system";
}

/** The program's path, looked for where root's programs are too. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function findPackageManager(): PackageManager | undefined {
  if (findProgram("apt-get") !== undefined && findProgram("dpkg-query") !== undefined) return "apt";
  if (findProgram("dnf") !== undefined) return "dnf";
  if (findProgram("pacman") !== undefined) return "pacman";
  return undefined;
}

async function missing(
  manager: PackageManager,
  { signal, ...want }: { readonly isRoot: boolean; readonly wantsTpm: boolean; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const wanted = packagesFor(manager, want);
  const installed = await installedPackages(manager, { wanted, signal });
  return wanted.filter((name) => !installed.has(name));
}

async function installedPackages(
  manager: PackageManager,
  options: { readonly wanted: readonly string[]; readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const { wanted, signal } = options;
  switch (manager) {
    case "apt": {
      const args = ["-W", "-f", "${Package} ${db:Status-Status}\n", ...wanted];
      const { stdout } = await runQuietly("dpkg-query", args, { signal });
      return new Set(
        stdout.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0] ?? ""] : [])),
      );
    }
    case "dnf": {
      // `rpm -q` answers for a package that another one provides, too.
      const answers = await Promise.all(
        wanted.map(async (name) =>
          (await runQuietly("rpm", ["-q", "--whatprovides", name], { signal })).code === 0 ? name : "",
        ),
      );
      return new Set(answers);
    }
    case "pacman": {
      const answers = await Promise.all(
        wanted.map(async (name) => ((await runQuietly("pacman", ["-Q", name], { signal })).code === 0 ? name : "")),
      );
      return new Set(answers);
    }
  }
}

function hasAptLists(): boolean {
  try {
    return readdirSync("/var/lib/apt/lists").some((name) => name.includes("_Packages"));
  } catch {
    return false;
  }
}

async function serviceState(
  service: ServiceName,
  hasSystemd: boolean,
): Promise<{ answers: boolean; enabled: boolean }> {
  const answers = await socketAnswers(serviceSockets[service]);
  if (!hasSystemd) return { answers, enabled: false };
  // Debian's units are started by their sockets, which counts as started at boot.
  const units = [`${service}.service`, `${service}.socket`];
  const { stdout } = await runQuietly("systemctl", ["is-enabled", ...units]);
  return { answers, enabled: /^(enabled|static|indirect|alias)/m.test(stdout) };
}

/** Whether something accepts connections there. A socket that is closed to this user counts: somebody serves it. */
export function socketAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(3_000, () => socket.destroy(new Error("silent")));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EACCES"));
  });
}

function hasSubordinateIds(user: string): boolean {
  return ["/etc/subuid", "/etc/subgid"].every(
    (path) =>
      existsSync(path) &&
      readFileSync(path, "utf8")
        .split("\n")
        .some((line) => line.startsWith(`${user}:`)),
  );
}

/** With polkit the socket is open to all and libvirt asks afterwards; without, the group alone may open it. */
function socketAccess(): HostFacts["socketAccess"] {
  try {
    return (statSync(serviceSockets.libvirtd).mode & 0o006) === 0 ? "group" : "polkit";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "unknown";
    throw error;
  }
}

function kvmDevice(): HostFacts["kvmDevice"] {
  try {
    const { mode, gid } = statSync("/dev/kvm");
    const group = groupFile().find(({ name }) => name === "kvm");
    const isOpen = (mode & 0o006) === 0o006 || ((mode & 0o060) === 0o060 && gid === group?.id);
    // Where udev runs, what the device is like is its business.
    return isOpen || existsSync("/run/udev/control") ? "open" : "closed";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw error;
  }
}

function effectiveGroups(): readonly string[] {
  const ids = new Set([...(process.getgroups?.() ?? []), process.getegid?.() ?? -1]);
  return groupFile().flatMap((group) => (ids.has(group.id) ? [group.name] : []));
}

function groupsOf(user: string): readonly string[] {
  return groupFile().flatMap((group) => (group.members.includes(user) ? [group.name] : []));
}

function groupFile(): readonly { readonly name: string; readonly id: number; readonly members: readonly string[] }[] {
  return readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name, , id, members]) => ({ name: name ?? "", id: Number(id), members: (members ?? "").split(",") }));
}

async function firewallState(signal: AbortSignal): Promise<HostFacts["firewall"]> {
  const enabled = await readFile("/etc/ufw/ufw.conf", "utf8").then(
    (text) => /^ENABLED=yes/im.test(text),
    () => false,
  );
  if (!enabled || findProgram("ufw") === undefined) return { kind: "none" };
  const { stdout } = await runQuietly("cat", ["/etc/ufw/user.rules"], { asRoot: true, signal });
  return { kind: "ufw", allowsGuests: ufwAllowsGuests(stdout) };
}

/** Pure: whether these rules let guests on virbr0 ask for addresses and names. */
export function ufwAllowsGuests(userRules: string): boolean {
  const tuples = userRules
    .split("\n")
    .filter((line) => line.startsWith("### tuple ### allow") && line.endsWith("in_virbr0"));
  return ["67", "53"].every((port) => tuples.some((line) => line.split(" ")[5] === port));
}
