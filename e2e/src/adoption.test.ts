// Domains that somebody made with virsh become VirtualMachines: listed first, then adopted, powered as declared, and let go of unharmed.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { findCondition, type Provider, type VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { makeForeignDomain, virsh, type ForeignDomain } from "./support/foreign-domain.ts";
import { guestPid } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const slow = { timeoutMs: 120_000 };
const osInfo = `<l:libosinfo xmlns:l="http://libosinfo.org/xmlns/libvirt/domain/1.0"><l:os id="http://alpinelinux.org/3.19"/></l:libosinfo>`;

describe("adoption", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;
  let running: ForeignDomain;
  let off: ForeignDomain;

  const vm = (name: string) => server.get<VirtualMachine>("vm", name);
  const readyOf = async (name: string) => findCondition((await vm(name))?.status?.conditions, "Ready");
  const untilReady = (name: string) =>
    eventually(`${name} is Ready`, async () => ((await readyOf(name))?.status === "True" ? true : undefined), slow);
  const untilPower = (name: string, power: string) =>
    eventually(
      `${name} is ${power}`,
      async () => ((await vm(name))?.status?.powerState === power ? true : undefined),
      slow,
    );
  const definitionOf = async (domain: string) =>
    (await virsh(["dumpxml", "--inactive", domain])).replace(/<metadata>[\s\S]*<\/metadata>|<metadata\/>/, "");
  const patch = async (kind: string, name: string, body: object): Promise<void> => {
    const done = await server.kubectl(["patch", kind, name, "--type", "merge", "-p", JSON.stringify(body)]);
    assert.equal(done.code, 0, done.stderr);
  };

  before(async () => {
    await libvirt.start();
    running = await makeForeignDomain(
      { name: "vvhost-Run_1", uuid: "5d1c1f0e-0000-4a53-9a0c-000000000001", mac: "52:54:00:7a:00:01" },
      { state: "on", metadata: osInfo },
    );
    off = await makeForeignDomain(
      { name: "vvhost-off", uuid: "5d1c1f0e-0000-4a53-9a0c-000000000002", mac: "52:54:00:7a:00:02" },
      { state: "off" },
    );
    await makeForeignDomain(
      { name: "vvhost-passing", uuid: "5d1c1f0e-0000-4a53-9a0c-000000000003", mac: "52:54:00:7a:00:03" },
      { state: "transient" },
    );
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm("own", "powerState: 'Off'"));
    await eventually("the own VM is made", async () => (await vm("own"))?.status?.domain, slow);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a dry run lists what would be adopted, and what cannot be and why; nothing is made or marked", async () => {
    const before = await virsh(["dumpxml", running.name]);
    const listed = await server.viv(["adopt", "--dry-run", "--name", "^vvhost-"]);
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, /vvhost-Run_1\s+on\s+1\s+160Mi\s+1\s+1\s+Adoptable\s+vvhost-run-1/);
    assert.match(listed.stdout, /vvhost-off\s+off\s+1\s+160Mi\s+1\s+1\s+Adoptable\s+vvhost-off/);
    assert.match(listed.stdout, /vvhost-passing.*Refused\s+It is transient/);
    assert.doesNotMatch(listed.stdout, /\bown\b/);
    assert.match(listed.stderr, /3 were asked for: 2 would be adopted, 0 are adopted, 1 cannot be/);
    assert.equal(
      (await server.kubectl(["get", "vm", "-o", "name"])).stdout.trim(),
      "virtualmachine.infra.virtrigaud.io/own",
    );
    assert.equal(await virsh(["dumpxml", running.name]), before);
    const byMetadata = await server.viv([
      "adopt",
      "--dry-run",
      "--metadata",
      "http://libosinfo.org/xmlns/libvirt/domain/1.0=alpine",
      "-o",
      "json",
    ]);
    const { candidates } = JSON.parse(byMetadata.stdout) as { candidates: readonly { domain: string }[] };
    assert.deepEqual(
      candidates.map((each) => each.domain),
      ["vvhost-Run_1"],
    );
    const wrong = await server.viv(["adopt", "--dry-run", "--name", "("]);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /namePattern/);
  });

  test("annotations with kubectl adopt: each becomes a VM with what it has, and goes on as it was", async () => {
    const pid = await guestPid(running.name);
    const definitions = await Promise.all([definitionOf(running.name), definitionOf(off.name)]);
    await patch("provider", "local", {
      metadata: {
        annotations: { "virtrigaud.io/adopt-vms": "true", "virtrigaud.io/adopt-filter": '{"namePattern":"^vvhost-"}' },
      },
    });
    await eventually("the VM of the running domain", () => vm("vvhost-run-1"), slow);
    await untilReady("vvhost-run-1");
    const adopted = await vm("vvhost-run-1");
    assert.equal(adopted?.status?.id, running.uuid);
    assert.equal(adopted.status.domain, running.name);
    assert.equal(adopted.spec.powerState, "On");
    assert.deepEqual(adopted.spec.resources, { cpu: 1, memoryMiB: 160 });
    assert.deepEqual(adopted.spec.networks, [{ name: "nic0", macAddress: running.mac }]);
    assert.deepEqual(adopted.status.disks, [{ name: "vda", target: "vda", state: "Attached" }]);
    assert.equal(await guestPid(running.name), pid, "the guest was started anew");
    await untilPower("vvhost-off", "Off");
    assert.deepEqual(await Promise.all([definitionOf(running.name), definitionOf(off.name)]), definitions);
    const { adoption } = (await server.get<Provider>("provider", "local"))?.status ?? {};
    assert.deepEqual([adoption?.adoptedVMs, adoption?.failedAdoptions], [2, 1]);
    await eventually("its address is known", async () => (await vm("vvhost-run-1"))?.status?.ips?.[0], slow);
  });

  test("they are powered as declared, and their definition stays as it was found", async () => {
    const definition = await definitionOf(off.name);
    await patch("vm", "vvhost-off", { spec: { powerState: "On", resources: { cpu: 2 } } });
    await untilReady("vvhost-off");
    assert.equal(await virsh(["domstate", off.name]), "running");
    await patch("vm", "vvhost-off", { spec: { powerState: "Off" } });
    await untilPower("vvhost-off", "Off");
    assert.equal(await virsh(["domstate", off.name]), "shut off");
    assert.equal(await definitionOf(off.name), definition);
    const pending = findCondition((await vm("vvhost-off"))?.status?.conditions, "ReconfigurePendingPowerCycle");
    assert.equal(pending?.reason, "Adopted");
  });

  test("a server that was killed goes on with them", async () => {
    const pid = await guestPid(running.name);
    await server.kill("SIGKILL");
    await server.start();
    await untilReady("vvhost-run-1");
    assert.equal(await guestPid(running.name), pid);
  });

  test("a VM object of a domain that another VM has says whose it is, and does it no harm", async () => {
    await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: vvhost-thief}
spec: {providerRef: {name: local}, adopt: {uuid: ${running.uuid}}}
`);
    const refused = await eventually("the refusal", async () => {
      const ready = await readyOf("vvhost-thief");
      return ready?.reason === "DomainNotFree" ? ready : undefined;
    });
    assert.match(refused.message, /default\/vvhost-run-1/);
    await server.kubectl(["delete", "vm", "vvhost-thief", "--wait", "--timeout=60s"]);
    assert.equal((await readyOf("vvhost-run-1"))?.status, "True");
  });

  test("deleting the VM lets go of the domain: it runs on with its disk, and may be adopted again", async () => {
    const pid = await guestPid(running.name);
    await patch("provider", "local", { metadata: { annotations: { "virtrigaud.io/adopt-vms": null } } });
    const deleted = await server.kubectl(["delete", "vm", "vvhost-run-1", "--wait", "--timeout=60s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.equal(await virsh(["domstate", running.name]), "running");
    assert.equal(await guestPid(running.name), pid);
    assert.ok(existsSync(running.diskPath));
    assert.doesNotMatch(await virsh(["dumpxml", running.name]), /vivarium/);
    const again = await server.viv(["adopt", "--name", "^vvhost-Run"]);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /vvhost-Run_1.*Adopted\s+vvhost-run-1/);
    await untilReady("vvhost-run-1");
  });

  test("only the deletion policy Delete destroys domain and disk", async () => {
    // A disk is a volume, and so goes, where libvirt has a pool for its folder.
    await virsh(["pool-create-as", "vvhost", "dir", "--target", "/var/lib/libvirt/images/vvhost"]);
    await patch("vm", "vvhost-off", { spec: { adopt: { deletionPolicy: "Delete" } } });
    const deleted = await server.kubectl(["delete", "vm", "vvhost-off", "--wait", "--timeout=60s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.doesNotMatch(await virsh(["list", "--all", "--name"]), /vvhost-off/);
    assert.equal(existsSync(off.diskPath), false);
    assert.ok(existsSync(running.diskPath));
  });
});
