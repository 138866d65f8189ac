import assert from "node:assert/strict";
import { test } from "node:test";
import { planSetup, type HostFacts, type SetupStep } from "./plan-setup.ts";

const ready: HostFacts = {
  packageManager: "apt",
  distribution: "Debian GNU/Linux 12 (bookworm)",
  missingPackages: [],
  hasPackageLists: true,
  isRoot: true,
  hasSudo: true,
  user: "root",
  effectiveGroups: [],
  memberOf: [],
  hasSystemd: true,
  services: { libvirtd: { answers: true, enabled: true }, virtlogd: { answers: true, enabled: true } },
  network: "active",
  kvmDevice: "open",
  hasLockFolder: true,
  hasSubordinateIds: true,
  socketAccess: "polkit",
  hasDBus: true,
  firewall: { kind: "none" },
};

const down = { libvirtd: { answers: false, enabled: false }, virtlogd: { answers: false, enabled: false } };

const user: HostFacts = {
  ...ready,
  isRoot: false,
  user: "ada",
  effectiveGroups: ["libvirt", "kvm"],
  memberOf: ["libvirt", "kvm"],
};

function kinds(steps: readonly SetupStep[]): readonly string[] {
  return steps.map((step) => step.kind);
}

test("nothing is done to a host that is ready", () => {
  assert.ok(planSetup(ready).every((step) => step.kind === "already"));
  assert.ok(planSetup(user).every((step) => step.kind === "already"));
});

test("a fresh apt host is installed, started and connected, in that order", () => {
  const fresh: HostFacts = { ...ready, missingPackages: ["libvirt-daemon-system"], services: down, network: "unknown" };
  assert.deepEqual(kinds(planSetup(fresh)), ["install-packages", "start-service", "start-service", "ensure-network"]);
});

test("package lists are fetched first only where there are none", () => {
  const missing = { ...ready, missingPackages: ["zstd"] };
  assert.deepEqual(planSetup(missing)[0], { kind: "install-packages", packages: ["zstd"], refreshLists: false });
  assert.deepEqual(planSetup({ ...missing, hasPackageLists: false })[0], {
    kind: "install-packages",
    packages: ["zstd"],
    refreshLists: true,
  });
});

test("virtlogd is started before libvirtd, which needs it", () => {
  const started = planSetup({ ...ready, services: down }).flatMap((step) =>
    step.kind === "start-service" ? [step.service] : [],
  );
  assert.deepEqual(started, ["virtlogd", "libvirtd"]);
});

test("without systemd the services are started directly", () => {
  const steps = planSetup({ ...ready, hasSystemd: false, services: down });
  assert.ok(steps.every((step) => step.kind !== "start-service" || step.through === "direct"));
});

test("a service that runs but does not start at boot is enabled where systemd can", () => {
  const services = { ...ready.services, libvirtd: { answers: true, enabled: false } };
  assert.deepEqual(kinds(planSetup({ ...ready, services })).filter((kind) => kind === "start-service").length, 1);
  assert.ok(planSetup({ ...ready, services, hasSystemd: false }).every((step) => step.kind === "already"));
});

test("on dnf and pacman hosts the exact commands are named and nothing else is planned", () => {
  const dnf = planSetup({
    ...ready,
    packageManager: "dnf",
    distribution: "Fedora 42",
    missingPackages: ["qemu-kvm", "dnsmasq"],
  });
  assert.deepEqual(dnf, [
    {
      kind: "manual",
      why: "Fedora 42: Vivarium does not install packages with dnf by itself.",
      commands: ["dnf install -y qemu-kvm dnsmasq", "systemctl enable --now libvirtd virtlogd"],
    },
  ]);
  const pacman = planSetup({ ...user, packageManager: "pacman", missingPackages: ["libvirt"], hasSystemd: false });
  assert.deepEqual(pacman[0]?.kind === "manual" && pacman[0].commands, [
    "sudo pacman -S --needed --noconfirm libvirt",
    "sudo virtlogd -d",
    "sudo libvirtd -d",
  ]);
});

test("a dnf host that has the packages is set up like any other", () => {
  assert.ok(planSetup({ ...ready, packageManager: "dnf" }).every((step) => step.kind === "already"));
});

test("an unknown packaging family is said, not guessed", () => {
  assert.deepEqual(kinds(planSetup({ ...ready, packageManager: undefined })), ["manual"]);
});

test("a user who is in no group yet joins both and is told of the new login", () => {
  const steps = planSetup({ ...user, memberOf: [], effectiveGroups: [] });
  assert.deepEqual(steps.slice(-2), [
    { kind: "join-groups", user: "ada", groups: ["libvirt", "kvm"] },
    { kind: "new-login", groups: ["libvirt", "kvm"] },
  ]);
});

test("a member since after the login is only told of the new login", () => {
  const steps = planSetup({ ...user, effectiveGroups: [] });
  assert.deepEqual(kinds(steps.slice(-2)), ["already", "new-login"]);
});

test("root needs no groups", () => {
  assert.ok(planSetup(ready).every((step) => step.kind !== "join-groups" && step.kind !== "new-login"));
});

test("without root and sudo, one command for an administrator is all that is said", () => {
  const steps = planSetup({ ...user, hasSudo: false, missingPackages: ["zstd"] });
  assert.deepEqual(steps[0]?.kind === "manual" && steps[0].commands, ["su -c './viv setup --user ada'"]);
});

test("without root and sudo, a ready host is still ready", () => {
  assert.ok(planSetup({ ...user, hasSudo: false }).every((step) => step.kind === "already"));
});

test("UFW is told of guests only where it is active and does not know them", () => {
  const firewall = { kind: "ufw", allowsGuests: false } as const;
  assert.equal(planSetup({ ...ready, firewall }).at(-1)?.kind, "allow-guests-in-ufw");
  assert.equal(planSetup({ ...ready, firewall: { ...firewall, allowsGuests: true } }).at(-1)?.kind, "already");
});

test("a KVM device that nobody opened is opened", () => {
  assert.ok(kinds(planSetup({ ...ready, kvmDevice: "closed" })).includes("open-kvm-device"));
});

test("the folder for console locks is made before libvirtd starts", () => {
  const steps = kinds(planSetup({ ...ready, hasLockFolder: false, hasSystemd: false, services: down }));
  assert.ok(steps.indexOf("make-lock-folder") < steps.indexOf("start-service"));
});

test("where polkit cannot work, a user gets in by the socket's group, and libvirtd is started with that", () => {
  const noBus: HostFacts = { ...user, hasDBus: false, hasSystemd: false, network: "unknown" };
  assert.deepEqual(kinds(planSetup(noBus)), [
    "already",
    "let-group-use-libvirt",
    "already",
    "start-service",
    "ensure-network",
    "already",
  ]);
  assert.ok(!kinds(planSetup({ ...noBus, socketAccess: "group" })).includes("let-group-use-libvirt"));
  assert.ok(!kinds(planSetup({ ...noBus, isRoot: true })).includes("let-group-use-libvirt"));
});

test("a network that this user may not ask about is looked after as root", () => {
  const step = planSetup({ ...user, network: "unknown" }).find(({ kind }) => kind === "ensure-network");
  assert.deepEqual(step, { kind: "ensure-network", asRoot: true });
});

test("a user without subordinate ids is given some, root needs none", () => {
  assert.ok(kinds(planSetup({ ...user, hasSubordinateIds: false })).includes("give-subordinate-ids"));
  assert.ok(!kinds(planSetup({ ...ready, hasSubordinateIds: false })).includes("give-subordinate-ids"));
});
