import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { stateDirAt, type StateDir } from "../state-dir.ts";
import { dropStaleHostKeys, sshArguments } from "./ssh-command.ts";

const vm: VirtualMachine = {
  apiVersion: "infra.virtrigaud.io/v1beta1",
  kind: "VirtualMachine",
  metadata: { name: "web", namespace: "default", uid: "new-uid" },
  spec: {},
};

function temporaryStateDir(t: TestContext): StateDir {
  const folder = mkdtempSync("/tmp/viv-ssh-");
  t.after(() => rmSync(folder, { recursive: true }));
  return stateDirAt(folder);
}

test("a host key is pinned under the VM's uid, in a file of our own", (t) => {
  const stateDir = temporaryStateDir(t);
  const args = sshArguments({ vm, ip: "192.0.2.1", user: "debian" }, { stateDir });
  assert.ok(args.includes("HostKeyAlias=default.web.vm.new-uid"));
  assert.ok(args.includes(`UserKnownHostsFile=${stateDir.knownHosts}`));
  assert.deepEqual(args.slice(-3), ["-l", "debian", "192.0.2.1"]);
});

test("a guest that was just started is tried again for a while, one that has run for long is not", (t) => {
  const stateDir = temporaryStateDir(t);
  const argsAfter = (ms: number) => {
    const startedAt = new Date(Date.now() - ms).toISOString();
    return sshArguments({ vm: { ...vm, status: { startedAt } }, ip: "192.0.2.1", user: "debian" }, { stateDir });
  };
  assert.ok(argsAfter(5_000).includes("ConnectionAttempts=60"));
  assert.ok(!argsAfter(600_000).some((each) => each.startsWith("ConnectionAttempts")));
});

test("keys of earlier VMs of the name are dropped, all others stay", (t) => {
  const stateDir = temporaryStateDir(t);
  const lines = [
    "default.web.vm.old-uid ssh-ed25519 A",
    "default.web.vm.new-uid ssh-ed25519 B",
    "default.web2.vm.old-uid ssh-ed25519 C",
    "",
  ];
  writeFileSync(stateDir.knownHosts, lines.join("\n"));
  dropStaleHostKeys(vm, stateDir);
  assert.equal(readFileSync(stateDir.knownHosts, "utf8"), lines.slice(1).join("\n"));
});
