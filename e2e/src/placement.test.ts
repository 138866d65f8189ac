// Placement on two real libvirtds: a policy that keeps VMs apart, what is told of a VM that no host can take, cordon, drain and rebalance.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type Host, type VirtualMachine, type VMPlacementPolicy } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { virsh } from "./support/foreign-domain.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyImage, tinyVm } from "./support/manifests.ts";
import { SecondHost } from "./support/second-host.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const slow = { timeoutMs: 240_000 };
const group = "infra.virtrigaud.io/v1beta1";

describe("placement", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  const second = new SecondHost("kvm2", join(process.env["E2E_HOST_DIR"] ?? "/nowhere", "kvm2-placement"));
  let server: VivServer;

  const vm = (name: string) => server.get<VirtualMachine>("vm", name);
  const readyOf = (object: VirtualMachine | Host | undefined) => findCondition(object?.status?.conditions, "Ready");
  const untilVm = (name: string, what: string, is: (found: VirtualMachine) => boolean) =>
    eventually(
      `${name} ${what}`,
      async () => {
        const found = await vm(name);
        return found !== undefined && is(found) ? found : undefined;
      },
      slow,
    );
  const untilReady = (name: string) => untilVm(name, "is Ready", (found) => readyOf(found)?.status === "True");

  before(async () => {
    await libvirt.start();
    await second.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(`
apiVersion: ${group}
kind: Provider
metadata: {name: local}
spec:
  type: libvirt
  hosts:
    - {name: kvm1, endpoint: "qemu:///system", labels: {topology.kubernetes.io/zone: east}}
    - {name: kvm2, endpoint: "${second.endpoint}", labels: {topology.kubernetes.io/zone: west}}
---
apiVersion: ${group}
kind: VMClass
metadata: {name: tiny}
spec: {cpu: 1, memory: 128Mi, diskDefaults: {size: 64Mi}}
---
apiVersion: ${group}
kind: VMPlacementPolicy
metadata: {name: spread}
spec:
  hard: {zones: [east, west]}
  antiAffinity: {hostAntiAffinity: true}
---
${await tinyImage("tiny")}`);
    for (const name of ["kvm1", "kvm2"]) {
      await eventually(
        `host ${name} is ready`,
        async () => (readyOf(await server.get<Host>("host", name))?.status === "True" ? true : undefined),
        slow,
      );
    }
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("VMs of a policy land on different hosts; one more says for each host why not", async () => {
    await server.apply(tinyVm("vvplace-1", "placementRef: {name: spread}"));
    await server.apply(tinyVm("vvplace-2", "placementRef: {name: spread}"));
    const hosts = [(await untilReady("vvplace-1")).status?.host, (await untilReady("vvplace-2")).status?.host];
    assert.deepEqual(new Set(hosts), new Set(["kvm1", "kvm2"]));
    await server.apply(tinyVm("vvplace-3", "placementRef: {name: spread}"));
    const refused = await untilVm("vvplace-3", "is refused", (found) => readyOf(found)?.reason === "NoHostFits");
    assert.match(
      readyOf(refused)?.message ?? "",
      /^0\/2 hosts can take the VM: 2 with machines to be apart from \(kvm1: /,
    );
    await eventually("the events", async () => {
      const { stdout } = await server.kubectl([
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason,O:.involvedObject.name",
      ]);
      return /FailedScheduling\s+vvplace-3/.test(stdout) && /Scheduled\s+vvplace-1/.test(stdout) ? true : undefined;
    });
    const explained = await server.viv(["explain", "placement", "vvplace-3"]);
    assert.match(explained.stdout, /vm\/vvplace-3 is on no host yet/);
    assert.match(explained.stdout, /kvm2\s+no\s.*hostAntiAffinity/);
  });

  test("nothing lands on a host that is cordoned; drained, its VMs run on the other one, and what cannot be moved is named", async () => {
    const deleted = await server.kubectl(["delete", "vm", "vvplace-3", "vvplace-2", "vvplace-1", "--timeout=120s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    await server.apply(tinyVm("vvplace-west", "placement: {hostSelector: {topology.kubernetes.io/zone: west}}"));
    assert.equal((await untilReady("vvplace-west")).status?.host, "kvm2");
    const cordoned = await server.viv(["cordon", "kvm1"]);
    assert.equal(cordoned.code, 0, cordoned.stderr);
    await server.apply(tinyVm("vvplace-free"));
    assert.equal((await untilReady("vvplace-free")).status?.host, "kvm2");
    assert.equal((await server.viv(["uncordon", "kvm1"])).code, 0);
    const plan = await server.viv(["drain", "kvm2", "--dry-run"]);
    assert.match(plan.stdout, /default\/vvplace-free\s+kvm2\s+kvm1\s/);
    assert.match(
      plan.stdout,
      /default\/vvplace-west\s+kvm2\s+kvm1: its label topology.kubernetes.io\/zone is not "west"/,
    );
    assert.equal((await server.get<Host>("host", "kvm2"))?.spec.unschedulable, undefined);
    if ((await readFile("/proc/sys/vm/unprivileged_userfaultfd", "utf8")).trim() === "0") {
      const refused = await server.viv(["migrate", "vvplace-free", "--to", "kvm1", "--post-copy"]);
      assert.match(refused.stderr, /nothing was moved\n\s+PostCopyUnsupported: host .* keeps userfaultfd/);
    }
    const drained = await server.viv(["drain", "kvm2", "--timeout", "4m"]);
    assert.equal(drained.code, 8, drained.stderr);
    assert.match(drained.stderr, /Host "kvm2" is not empty: default\/vvplace-west cannot be moved/);
    await untilVm("vvplace-free", "is on kvm1", (found) => found.status?.host === "kvm1");
    await untilReady("vvplace-free");
    assert.match(await virsh(["list", "--name"]), /vvplace-free/);
    assert.doesNotMatch(await virsh(["list", "--all", "--name"], second.endpoint), /vvplace-free/);
    const shutDown = await server.viv(["drain", "kvm2", "--shutdown", "--timeout", "4m"]);
    assert.equal(shutDown.code, 0, shutDown.stderr);
    assert.match(
      shutDown.stdout,
      /host\/kvm2: nothing runs there; off, because it could not be moved: default\/vvplace-west/,
    );
    assert.match(await virsh(["domstate", "vvplace-west"], second.endpoint), /shut off/);
    const { spec, status } = await untilVm(
      "vvplace-west",
      "stays there",
      (found) => found.status?.powerState === "Off",
    );
    assert.deepEqual([spec.powerState, status?.host], ["OffGraceful", "kvm2"]);
  });

  test("a rule that is broken later is told by the VM and its policy, and rebalance plans the move before it makes it", async () => {
    assert.equal((await server.viv(["uncordon", "kvm2"])).code, 0);
    await server.kubectl(["delete", "vm", "vvplace-west", "--timeout=120s"]);
    const policy = `
apiVersion: ${group}
kind: VMPlacementPolicy
metadata: {name: west}
spec: {hard: {zones: [west]}}`;
    await server.apply(policy);
    await server.kubectl([
      "patch",
      "vm",
      "vvplace-free",
      "--type=merge",
      "-p",
      '{"spec":{"placementRef":{"name":"west"}}}',
    ]);
    const told = await untilVm(
      "vvplace-free",
      "says so",
      (found) => findCondition(found.status?.conditions, "PlacementSatisfied")?.status === "False",
    );
    assert.match(findCondition(told.status?.conditions, "PlacementSatisfied")?.message ?? "", /its zone is "east"/);
    await eventually("the policy counts it", async () => {
      const found = await server.get<VMPlacementPolicy>("vmplacementpolicy", "west");
      return found?.status?.placementStats?.constraintViolations === 1 ? true : undefined;
    });
    const planned = await server.viv(["rebalance"]);
    assert.match(planned.stdout, /default\/vvplace-free\s+kvm1\s+kvm2\s+its zone is "east"/);
    assert.match(planned.stderr, /Nothing was moved/);
    assert.equal((await vm("vvplace-free"))?.status?.host, "kvm1");
    const applied = await server.viv(["rebalance", "--apply", "--timeout", "4m"]);
    assert.equal(applied.code, 0, applied.stderr);
    await untilVm(
      "vvplace-free",
      "is where it may be",
      ({ status }) =>
        status?.host === "kvm2" && findCondition(status.conditions, "PlacementSatisfied")?.status === "True",
    );
  });

  test("deleted VMs leave nothing on either host", async () => {
    const deleted = await server.kubectl(["delete", "vm", "--all", "--wait", "--timeout=120s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.doesNotMatch(await virsh(["list", "--all", "--name"]), /vvplace/);
    assert.doesNotMatch(await virsh(["list", "--all", "--name"], second.endpoint), /vvplace/);
  });
});
