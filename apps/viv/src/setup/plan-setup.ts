// What has to be done to a host before the first VM, as a pure function of what was found there. `run-setup.ts` does it.

import type { PackageManager } from "./host-packages.ts";

/** What `gather-facts.ts` found; nothing here is a wish. */
export interface HostFacts {
  readonly packageManager: PackageManager | undefined;
  /** PRETTY_NAME of os-release. */
  readonly distribution: string;
  readonly missingPackages: readonly string[];
  /** Package lists are there, so that an install may work without fetching them first. */
  readonly hasPackageLists: boolean;
  readonly isRoot: boolean;
  readonly hasSudo: boolean;
  readonly user: string;
  /** Groups in which this process runs. */
  readonly effectiveGroups: readonly string[];
  /** Groups of which the user is a member by /etc/group; a new login has them. */
  readonly memberOf: readonly string[];
  /** Ids that this user may give to users of a namespace; image builds without root need them. */
  readonly hasSubordinateIds: boolean;
  readonly hasSystemd: boolean;
  readonly services: Readonly<Record<ServiceName, { readonly answers: boolean; readonly enabled: boolean }>>;
  /** `unknown` when libvirt cannot be asked yet. */
  readonly network: "active" | "inactive" | "not-autostarted" | "missing" | "unknown";
  /**
   * `closed` where no udev gives /dev/kvm to the group kvm. QEMU then finds KVM and libvirt does not, and libvirt, seeing the contradiction, probes
   * QEMU anew at every call: seconds each.
   */
  readonly kvmDevice: "absent" | "open" | "closed";
  /**
   * How libvirt decides who may use it: by asking polkit, which needs D-Bus, or by the socket's group. `unknown` while nothing serves the socket.
   */
  readonly socketAccess: "polkit" | "group" | "unknown";
  readonly hasDBus: boolean;
  /** /var/lock, where libvirt locks serial consoles. Gone after each start of a container whose /run is empty. */
  readonly hasLockFolder: boolean;
  readonly firewall: { readonly kind: "ufw"; readonly allowsGuests: boolean } | { readonly kind: "none" };
}

export type ServiceName = "virtlogd" | "libvirtd";

export const serviceNames: readonly ServiceName[] = ["virtlogd", "libvirtd"];

/** Groups that a user needs to reach libvirt's socket and /dev/kvm. */
export const neededGroups: readonly string[] = ["libvirt", "kvm"];

export type SetupStep =
  | { readonly kind: "already"; readonly what: string }
  | { readonly kind: "install-packages"; readonly packages: readonly string[]; readonly refreshLists: boolean }
  | { readonly kind: "start-service"; readonly service: ServiceName; readonly through: "systemd" | "direct" }
  /** `asRoot` where this process may not ask libvirt itself. */
  | { readonly kind: "ensure-network"; readonly asRoot: boolean }
  | { readonly kind: "give-subordinate-ids"; readonly user: string }
  | { readonly kind: "join-groups"; readonly user: string; readonly groups: readonly string[] }
  | { readonly kind: "open-kvm-device" }
  | { readonly kind: "make-lock-folder" }
  | { readonly kind: "let-group-use-libvirt" }
  | { readonly kind: "allow-guests-in-ufw" }
  /** Only the user can do this; nothing after it is planned. */
  | { readonly kind: "manual"; readonly why: string; readonly commands: readonly string[] }
  | { readonly kind: "new-login"; readonly groups: readonly string[] };

export function planSetup(facts: HostFacts): readonly SetupStep[] {
  const packages = planPackages(facts);
  if (packages.kind === "manual") return [packages];
  const steps: SetupStep[] = [packages];
  if (facts.kvmDevice === "closed") steps.push({ kind: "open-kvm-device" });
  if (!facts.hasLockFolder) steps.push({ kind: "make-lock-folder" });
  // Without D-Bus polkit refuses everyone but root.
  const isPolkitInVain = !facts.isRoot && !facts.hasDBus && facts.socketAccess !== "group";
  if (isPolkitInVain) steps.push({ kind: "let-group-use-libvirt" });
  // A fresh install starts services by itself on some hosts, so what was found before it does not say what is needed after it:
  // starting what runs already is success.
  for (const service of serviceNames) {
    const isStopped = isPolkitInVain && service === "libvirtd";
    steps.push(
      isStopped ? { kind: "start-service", service, through: startedThrough(facts) } : planService(service, facts),
    );
  }
  steps.push(
    facts.network === "active"
      ? { kind: "already", what: 'network "default" is active and starts by itself' }
      : { kind: "ensure-network", asRoot: !facts.isRoot && facts.network === "unknown" },
  );
  if (facts.firewall.kind === "ufw") {
    steps.push(
      facts.firewall.allowsGuests
        ? { kind: "already", what: "UFW lets guests on virbr0 use DHCP and DNS" }
        : { kind: "allow-guests-in-ufw" },
    );
  }
  if (!facts.isRoot) steps.push(...planGroups(facts));
  const privileged = steps.some((step) => needsRoot(step));
  if (privileged && !facts.isRoot && !facts.hasSudo) {
    return [
      {
        kind: "manual",
        why: `User "${facts.user}" is not root and there is no sudo.`,
        commands: [`su -c './viv setup --user ${facts.user}'`],
      },
    ];
  }
  return steps;
}

/** Whether the step changes the system outside the user's own files. */
export function needsRoot(step: SetupStep): boolean {
  switch (step.kind) {
    case "install-packages":
    case "start-service":
    case "join-groups":
    case "give-subordinate-ids":
    case "open-kvm-device":
    case "make-lock-folder":
    case "let-group-use-libvirt":
    case "allow-guests-in-ufw":
      return true;
    case "ensure-network":
      return step.asRoot;
    case "already":
    case "manual":
    case "new-login":
      return false;
  }
}

function planPackages(facts: HostFacts): SetupStep {
  if (facts.packageManager !== undefined && facts.missingPackages.length === 0) {
    return { kind: "already", what: "host packages are installed" };
  }
  switch (facts.packageManager) {
    case "apt":
      return { kind: "install-packages", packages: facts.missingPackages, refreshLists: !facts.hasPackageLists };
    case "dnf":
      return manualInstall(facts, `dnf install -y ${facts.missingPackages.join(" ")}`);
    case "pacman":
      return manualInstall(facts, `pacman -S --needed --noconfirm ${facts.missingPackages.join(" ")}`);
    case undefined:
      return {
        kind: "manual",
        why: `${facts.distribution} has none of apt, dnf and pacman, so its package names are not known here.`,
        commands: [
          "install libvirt (with its QEMU driver and default network), qemu-system-x86_64, qemu-img, dnsmasq and an SSH client",
        ],
      };
  }
}

function manualInstall(facts: HostFacts, command: string): SetupStep {
  const prefix = facts.isRoot ? "" : "sudo ";
  const services = facts.hasSystemd
    ? [`${prefix}systemctl enable --now libvirtd virtlogd`]
    : [`${prefix}virtlogd -d`, `${prefix}libvirtd -d`];
  return {
    kind: "manual",
    why: `${facts.distribution}: Vivarium does not install packages with ${String(facts.packageManager)} by itself.`,
    commands: [`${prefix}${command}`, ...services],
  };
}

function startedThrough(facts: HostFacts): "systemd" | "direct" {
  return facts.hasSystemd ? "systemd" : "direct";
}

function planService(service: ServiceName, facts: HostFacts): SetupStep {
  const found = facts.services[service];
  const through = startedThrough(facts);
  if (found.answers && (found.enabled || !facts.hasSystemd)) return { kind: "already", what: `${service} answers` };
  return { kind: "start-service", service, through };
}

function planGroups(facts: HostFacts): readonly SetupStep[] {
  const missing = neededGroups.filter((group) => !facts.memberOf.includes(group));
  const notEffective = neededGroups.filter((group) => !facts.effectiveGroups.includes(group));
  const steps: SetupStep[] = [];
  if (missing.length > 0) steps.push({ kind: "join-groups", user: facts.user, groups: missing });
  else steps.push({ kind: "already", what: `user "${facts.user}" is in the groups ${neededGroups.join(" and ")}` });
  if (!facts.hasSubordinateIds) steps.push({ kind: "give-subordinate-ids", user: facts.user });
  if (notEffective.length > 0) steps.push({ kind: "new-login", groups: notEffective });
  return steps;
}
