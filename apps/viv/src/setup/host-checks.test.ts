import assert from "node:assert/strict";
import { test } from "node:test";
import { hostFindings, type CheckedHost } from "./host-checks.ts";

const good: CheckedHost = {
  facts: {
    packageManager: "apt",
    distribution: "Debian",
    missingPackages: [],
    hasPackageLists: true,
    isRoot: true,
    hasSudo: true,
    user: "root",
    effectiveGroups: [],
    memberOf: [],
    hasSystemd: false,
    services: { libvirtd: { answers: true, enabled: false }, virtlogd: { answers: true, enabled: false } },
    network: "active",
    kvmDevice: "absent",
    hasLockFolder: true,
    hasSubordinateIds: true,
    socketAccess: "polkit",
    hasDBus: true,
    firewall: { kind: "none" },
  },
  nodeVersion: "v24.21.0",
  isLibvirtClosed: false,
  space: [{ path: "/var/lib/libvirt/images", availableBytes: 2 ** 40 }],
  hypervisor: { version: "libvirt 9.0.0, QEMU 7.2.22", acceleration: { kind: "kvm", reason: "a test guest ran" } },
  server: { url: "https://127.0.0.1:7443", pid: 1 },
};

function finding(host: CheckedHost, name: string): { state: string; fix?: string } | undefined {
  return hostFindings(host).find((each) => each.name === name);
}

test("a good host has nothing to mend", () => {
  assert.ok(hostFindings(good).every(({ state, fix }) => state === "ok" && fix === undefined));
});

test("everything missing comes with how to mend it", () => {
  const bad: CheckedHost = {
    ...good,
    facts: { ...good.facts, missingPackages: ["qemu-utils"], network: "missing" },
    nodeVersion: "v20.1.0",
    isLibvirtClosed: true,
    space: [{ path: "/", availableBytes: 1 }],
    hypervisor: { error: "nothing listens there" },
  };
  const missing = hostFindings(bad).filter(({ state }) => state === "missing");
  assert.deepEqual(
    missing.map(({ name }) => name),
    ["node", "packages", "access", "network", "hypervisor", "space /"],
  );
  assert.ok(missing.every(({ fix }) => fix !== undefined));
});

test("emulation is a warning that says why, not a failure", () => {
  const hypervisor = { version: "v", acceleration: { kind: "tcg", reason: "no /dev/kvm" } };
  assert.deepEqual(finding({ ...good, hypervisor }, "acceleration"), {
    name: "acceleration",
    state: "warning",
    found: "tcg: no /dev/kvm",
  });
});

test("a server that does not run is a warning", () => {
  assert.equal(finding({ ...good, server: undefined }, "server")?.state, "warning");
});
