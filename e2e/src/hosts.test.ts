// Hosts: what one endpoint has, and two real libvirtds under one Provider: where VMs land, and what becomes of them when a host is down.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type Host, type Provider, type VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { virsh } from "./support/foreign-domain.ts";
import { guestPid } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyImage, tinyVm } from "./support/manifests.ts";
import { SecondHost } from "./support/second-host.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const slow = { timeoutMs: 180_000 };
const group = "infra.virtrigaud.io/v1beta1";

describe("hosts", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  const second = new SecondHost("kvm2", join(process.env["E2E_HOST_DIR"] ?? "/nowhere", "kvm2"));
  let server: VivServer;

  const vm = (name: string) => server.get<VirtualMachine>("vm", name);
  const host = (name: string) => server.get<Host>("host", name);
  const readyOf = (object: VirtualMachine | Host | Provider | undefined) =>
    findCondition(object?.status?.conditions, "Ready");
  const untilVm = (name: string, status: string) =>
    eventually(
      `${name} is ${status}`,
      async () => {
        const found = await vm(name);
        return readyOf(found)?.status === status ? found : undefined;
      },
      slow,
    );
  const untilHost = (name: string, status: string) =>
    eventually(
      `host ${name} is ${status}`,
      async () => {
        const found = await host(name);
        return readyOf(found)?.status === status ? found : undefined;
      },
      slow,
    );
  const domainsOn = async (uri?: string) => (await virsh(["list", "--all", "--name"], uri)).split("\n").toSorted();

  before(async () => {
    await libvirt.start();
    await second.start();
    server = await VivServer.create();
    await server.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a Provider with one endpoint has one Host, with size, versions and what can be done there", async () => {
    await server.apply(`
apiVersion: ${group}
kind: Provider
metadata: {name: vvhost-one}
spec: {type: libvirt, endpoint: "qemu:///system", hostPolicy: {reservedMemory: 1Gi}}
`);
    const { status, metadata } = await untilHost("vvhost-one", "True");
    assert.equal(metadata.ownerReferences?.[0]?.kind, "Provider");
    assert.match(status?.versions?.manager ?? "", /^libvirt \d/);
    assert.match(status?.versions?.hypervisor ?? "", /^QEMU \d/);
    assert.notEqual(status?.versions?.kernel, undefined);
    assert.equal((status?.capacity?.memoryBytes ?? 0) - (status?.allocatable?.memoryBytes ?? 0), 2 ** 30);
    const table = await server.kubectl(["get", "hosts"]);
    assert.match(table.stdout, /vvhost-one\s+True\s+vvhost-one\s+\d+\s+[\d.]+[MGT]i\s/);
    const most = Math.floor((status?.allocatable?.memoryBytes ?? 0) / 2 ** 20);
    const sized = (memoryMiB: number): string => `
apiVersion: ${group}
kind: VirtualMachine
metadata: {name: vvhost-large}
spec: {providerRef: {name: vvhost-one}, powerState: "Off", resources: {cpu: 1, memoryMiB: ${memoryMiB}}}
`;
    const refused = await server.kubectl(["create", "-f", "-"], { input: sized(most + 1) });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      new RegExp(`spec.resources.memoryMiB: Invalid value: ${most + 1} MiB: .*vvhost-one ${most} MiB`),
    );
    assert.equal((await server.kubectl(["create", "--dry-run=server", "-f", "-"], { input: sized(most) })).code, 0);
    const point = (endpoint: string) =>
      server.kubectl([
        "patch",
        "provider",
        "vvhost-one",
        "--type",
        "merge",
        "-p",
        JSON.stringify({ spec: { endpoint } }),
      ]);
    assert.equal((await point(second.endpoint)).code, 0);
    const other = await eventually(
      "the Host says that it is another machine",
      async () => {
        const found = await host("vvhost-one");
        return readyOf(found)?.reason === "AnotherMachine" ? found : undefined;
      },
      slow,
    );
    assert.deepEqual([other?.status?.hostname, other?.status?.uuid], [status?.hostname, status?.uuid]);
    assert.equal((await server.kubectl(["delete", "host", "vvhost-one"])).code, 0);
    assert.equal((await untilHost("vvhost-one", "True")).status?.hostname, "kvm2");
    await server.kubectl(["delete", "provider", "vvhost-one"]);
    await eventually("the Host is gone", async () => ((await host("vvhost-one")) === undefined ? true : undefined));
  });

  test("two hosts have a Host each; a VM lands on the one with its labels, and is bound there before anything is made", async () => {
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
${await tinyImage("tiny")}`);
    const [one, two] = await Promise.all([untilHost("kvm1", "True"), untilHost("kvm2", "True")]);
    assert.deepEqual([one.status?.zone, two.status?.zone], ["east", "west"]);
    assert.notEqual(one.status?.uuid, two.status?.uuid);
    await server.apply(tinyVm("vvhost-west", "placement: {hostSelector: {topology.kubernetes.io/zone: west}}"));
    await server.apply(tinyVm("vvhost-east", "placement: {host: kvm1}"));
    assert.equal((await untilVm("vvhost-west", "True")).status?.host, "kvm2");
    assert.equal((await untilVm("vvhost-east", "True")).status?.host, "kvm1");
    assert.deepEqual(await domainsOn(), ["vvhost-east"]);
    assert.deepEqual(await domainsOn(second.endpoint), ["vvhost-west"]);
    await eventually(
      "the host counts it",
      async () => ((await host("kvm2"))?.status?.allocated?.machines === 1 ? true : undefined),
      slow,
    );
  });

  test("a VM that fits no host says for each why, and comes up where a host becomes schedulable", async () => {
    const cordon = (isUnschedulable: boolean) =>
      server.kubectl([
        "patch",
        "host",
        "kvm2",
        "--type",
        "merge",
        "-p",
        `{"spec":{"unschedulable":${isUnschedulable}}}`,
      ]);
    assert.equal((await cordon(true)).code, 0);
    await server.apply(tinyVm("vvhost-late", "placement: {hostSelector: {topology.kubernetes.io/zone: west}}"));
    const refused = await eventually("the refusal", async () => {
      const found = await vm("vvhost-late");
      return readyOf(found)?.reason === "NoHostFits" ? found : undefined;
    });
    assert.match(readyOf(refused)?.message ?? "", /kvm1: its label .* is not "west"; kvm2: it is unschedulable/);
    assert.equal((await cordon(false)).code, 0);
    assert.equal((await untilVm("vvhost-late", "True")).status?.host, "kvm2");
  });

  test("a host that is down makes its VMs Unknown, and nothing is made elsewhere; its guests run on", async () => {
    const pid = await guestPid("vvhost-west");
    await second.kill();
    await untilHost("kvm2", "False");
    await untilVm("vvhost-west", "Unknown");
    const provider = await eventually("the Provider says which", async () => {
      const found = await server.get<Provider>("provider", "local");
      return readyOf(found)?.reason === "PartlyConnected" ? found : undefined;
    });
    assert.match(readyOf(provider)?.message ?? "", /^Connected to kvm1; not to kvm2: /);
    assert.equal(readyOf(await vm("vvhost-east"))?.status, "True");
    await server.kill("SIGKILL");
    await server.start();
    await server.apply(tinyVm("vvhost-next"));
    assert.equal((await untilVm("vvhost-next", "True")).status?.host, "kvm1");
    assert.equal((await vm("vvhost-west"))?.status?.host, "kvm2");
    assert.deepEqual(await domainsOn(), ["vvhost-east", "vvhost-next"]);
    await second.start();
    await untilHost("kvm2", "True");
    await untilVm("vvhost-west", "True");
    assert.equal(await guestPid("vvhost-west"), pid);
  });

  test("deleted VMs leave nothing on either host", async () => {
    const deleted = await server.kubectl(["delete", "vm", "--all", "--wait", "--timeout=120s"]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.deepEqual(await domainsOn(), [""]);
    assert.deepEqual(await domainsOn(second.endpoint), [""]);
  });
});
