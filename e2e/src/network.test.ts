// Networks on a real host, and guests that are plugged in: every mode, addresses and names changed while a guest runs, what is done behind our
// back, and what is refused.

import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { readdir, readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VirtualNetwork } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { OpenVswitch, whyNoOpenVswitch } from "./support/open-vswitch.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const lab = "vvnet-lab";
const host = "192.168.210.1";
const range = "{start: 192.168.210.100, end: 192.168.210.150}";

function network(name: string, spec: string): string {
  return `
apiVersion: vivarium.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: ${name}}
spec: {providerRef: {name: local}, ${spec}}
`;
}

const created = (name: string, create: string): string => network(name, `create: {${create}}`);

describe("networks", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const seen = async (name: string) => (await server.get<VirtualNetwork>("vnet", name))?.status;
  const untilReason = (kind: "vnet" | "vm", name: string, reason: string, type = "Ready") =>
    eventually(
      `${kind} ${name} has ${type} for ${reason}`,
      async () => {
        const object = await server.get<VirtualNetwork | VirtualMachine>(kind, name);
        const condition = findCondition(object?.status?.conditions, type);
        return condition?.reason === reason ? condition : undefined;
      },
      { timeoutMs: 90_000 },
    );
  const patch = async (create: object): Promise<void> => {
    const spec = JSON.stringify({ spec: { create } });
    const patched = await server.kubectl(["patch", "vnet", lab, "--type", "merge", "-p", spec]);
    assert.equal(patched.code, 0, patched.stderr);
  };
  const ipOf = async (vm: string) => (await server.get<VirtualMachine>("vm", vm))?.status?.ips?.[0] ?? "";
  const answers = async (ip: string) =>
    (await (await fetch(`http://${ip}/`, { signal: AbortSignal.timeout(5_000) })).text()) === "tiny\n";
  const untilAnswers = (ip: string) =>
    eventually(`${ip} answers`, async () => ((await answers(ip)) ? true : undefined), { timeoutMs: 60_000 });
  const virsh = async (...args: readonly string[]) => (await run("virsh", ["-q", ...args])).stdout;
  const names = async () => (await virsh("net-list", "--all", "--name")).split("\n").map((line) => line.trim());
  const remove = async (...objects: readonly string[]) => {
    const gone = await server.kubectl(["delete", ...objects, "--wait", "--timeout=60s"], { timeoutMs: 70_000 });
    assert.equal(gone.code, 0, gone.stderr);
  };

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a network is made, and a guest gets its address from it", async () => {
    await server.apply(
      created(lab, `mode: nat, domain: lab.test, subnets: [{address: ${host}/24, dhcpRanges: [${range}]}]`),
    );
    const nic = `networks: [{name: lan, virtualNetworkRef: {name: ${lab}}}]`;
    await server.apply(tinyVm("web", nic));
    const waited = await server.kubectl(["wait", "--for=condition=Ready", `vnet/${lab}`, "--timeout=30s"]);
    assert.equal(waited.code, 0, waited.stderr);
    await untilReason("vm", "web", "Running");
    const ip = await ipOf("web");
    assert.match(ip, /^192\.168\.210\.1[0-4]\d|150$/);
    await untilAnswers(ip);
    const uid = (await server.get<VirtualNetwork>("vnet", lab))?.metadata.uid ?? "";
    assert.match(await virsh("net-dumpxml", lab), new RegExp(`<uuid>${uid}</uuid>`));
    const status = await eventually(
      "the lease is told",
      async () => {
        const found = await seen(lab);
        return found?.leases?.some((lease) => lease.ip === ip) ? found : undefined;
      },
      { timeoutMs: 60_000 },
    );
    assert.equal(status.leases?.find((lease) => lease.ip === ip)?.vm, "VirtualMachine/web");
    assert.deepEqual([status.mode, status.active, status.usedBy], ["nat", true, ["VirtualMachine/web"]]);
    const table = await server.viv(["get", "vnets"]);
    assert.match(table.stdout, new RegExp(`${lab}\\s+Ready\\s+nat\\s+${lab}\\s+virbr\\d+\\s+192\\.168\\.210\\.1/24`));
  });

  test("ranges, kept addresses and names are changed while the guest is connected", async () => {
    const bridge = (await seen(lab))?.bridge ?? "";
    const number = () => readFile(`/sys/class/net/${bridge}/ifindex`, "utf8");
    const before = await number();
    await patch({
      subnets: [{ address: `${host}/24`, dhcpRanges: [{ start: "192.168.210.160", end: "192.168.210.170" }] }],
      leases: [{ mac: "52:54:00:99:00:01", ip: "192.168.210.50", hostname: "printer" }],
      dnsHosts: [{ ip: "192.168.210.51", names: ["files", "files.lab.test"] }],
      autostart: false,
    });
    const resolver = new Resolver({ timeout: 1_000, tries: 1 });
    resolver.setServers([host]);
    await eventually("the name server knows the new name", async () => (await resolver.resolve4("files.lab.test"))[0]);
    assert.deepEqual(await resolver.resolve4("files.lab.test"), ["192.168.210.51"]);
    for (const flags of [[], ["--inactive"]]) {
      const xml = await virsh("net-dumpxml", lab, ...flags);
      assert.match(xml, /<range start='192\.168\.210\.160' end='192\.168\.210\.170'\/>/);
      assert.match(xml, /<host mac='52:54:00:99:00:01' name='printer' ip='192\.168\.210\.50'\/>/);
    }
    assert.match(await virsh("net-info", lab), /Autostart:\s+no/);
    await patch({ leases: [], dnsHosts: [] });
    await eventually("the address is given back", async () =>
      (await virsh("net-dumpxml", lab)).includes("printer") ? undefined : true,
    );
    assert.equal(await number(), before);
    assert.ok(await answers(await ipOf("web")));
  });

  test("a machine has the address that it declares, and leaves no lease behind", async () => {
    const nic = `networks: [{name: lan, virtualNetworkRef: {name: ${lab}}, ipAddress: 192.168.210.20}]`;
    await server.apply(tinyVm("fixed", nic));
    await untilReason("vm", "fixed", "Running");
    assert.equal(await ipOf("fixed"), "192.168.210.20");
    await untilAnswers("192.168.210.20");
    assert.match(await virsh("net-dumpxml", lab), /name='fixed' ip='192\.168\.210\.20'/);
    await remove("vm", "fixed");
    await eventually("its entry goes", async () =>
      (await virsh("net-dumpxml", lab)).includes("192.168.210.20") ? undefined : true,
    );
    await eventually("its lease goes", async () =>
      (await virsh("net-dhcp-leases", lab)).includes("192.168.210.20") ? undefined : true,
    );
  });

  test("a machine is plugged in through a VMNetworkAttachment; one that is not ready is waited for", async () => {
    await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: lan}
spec: {network: {virtualNetworkRef: {name: vvnet-later}}}
`);
    await server.apply(tinyVm("late", "networks: [{name: lan, networkRef: {name: lan}}]"));
    await untilReason("vm", "late", "NetworkNotFound");
    await server.apply(
      created(
        "vvnet-later",
        "mode: isolated, subnets: [{address: 192.168.213.1/24, dhcpRanges: [{start: 192.168.213.9, end: 192.168.213.9}]}]",
      ),
    );
    await untilReason("vm", "late", "Running");
    assert.equal(await ipOf("late"), "192.168.213.9");
    await remove("vm", "late");
    await remove("vnet", "vvnet-later");
  });

  test("a network that somebody stopped or undefined is back in seconds, and its guests with it", async () => {
    const ip = await ipOf("web");
    await meddle("net-destroy", lab);
    await eventually("it runs again", async () =>
      /Active:\s+yes/.test(await virsh("net-info", lab)) ? true : undefined,
    );
    await untilAnswers(ip);
    await meddle("net-undefine", lab);
    await eventually("it is defined again", async () =>
      /Persistent:\s+yes/.test(await virsh("net-info", lab)) ? true : undefined,
    );
    await untilAnswers(ip);
    await untilReason("vnet", lab, "Ready");
    const reasons = await server.kubectl(["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert.match(reasons.stdout, /Started/);
  });

  test("a subnet that is taken, by a network or by a route of the host, is refused by name", async () => {
    await server.apply(created("vvnet-same", "mode: nat, subnets: [{address: 192.168.210.129/25}]"));
    const same = await untilReason("vnet", "vvnet-same", "Conflict");
    assert.match(same.message, /192\.168\.210\.129\/25 meets that of network "vvnet-lab"/);
    await run("ip", ["link", "add", "vvveth0", "type", "veth", "peer", "name", "vvveth1"]);
    await run("ip", ["addr", "add", "192.168.211.7/24", "dev", "vvveth0"]);
    await run("ip", ["link", "set", "vvveth0", "up"]);
    await server.apply(created("vvnet-route", "mode: routed, subnets: [{address: 192.168.211.1/24}]"));
    const route = await untilReason("vnet", "vvnet-route", "Conflict");
    assert.match(route.message, /route of the host \(192\.168\.211\.0\/24 on vvveth0\)/);
    assert.ok(!(await names()).some((name) => name === "vvnet-same" || name === "vvnet-route"));
    await run("ip", ["link", "del", "vvveth0"]);
    await untilReason("vnet", "vvnet-route", "Ready");
    assert.match(await virsh("net-dumpxml", "vvnet-route"), /<forward mode='route'/);
    await remove("vnet", "vvnet-same", "vvnet-route");
  });

  test("a network on a bridge of the host plugs guests into it", async () => {
    await server.apply(created("vvnet-bridged", "mode: bridged, bridge: vvbr0"));
    const missing = await untilReason("vnet", "vvnet-bridged", "InvalidSpec");
    assert.match(missing.message, /no bridge "vvbr0"/);
    await run("ip", ["link", "add", "vvbr0", "type", "bridge"]);
    await run("ip", ["link", "set", "vvbr0", "up"]);
    await untilReason("vnet", "vvnet-bridged", "Ready");
    await server.apply(tinyVm("plugged", "networks: [{name: lan, virtualNetworkRef: {name: vvnet-bridged}}]"));
    await eventually("its interface is in the bridge", async () => (await readdir("/sys/class/net/vvbr0/brif"))[0], {
      timeoutMs: 60_000,
    });
    await remove("vm", "plugged");
    await remove("vnet", "vvnet-bridged");
    assert.equal((await run("ip", ["link", "del", "vvbr0"])).code, 0);
  });

  test("Open vSwitch is Unsupported where it does not run", async () => {
    await server.apply(created("vvnet-ovs", "mode: openvswitch, bridge: vvovs0, vlan: 42"));
    const refused = await untilReason("vnet", "vvnet-ovs", "Unsupported");
    assert.match(refused.message, /Open vSwitch/);
    assert.ok(!(await names()).includes("vvnet-ovs"));
    await remove("vnet", "vvnet-ovs");
  });

  test("guests on Open vSwitch have their VLAN, and reach what is in it", async (context) => {
    const why = await whyNoOpenVswitch();
    if (why !== undefined) {
      context.skip(why);
      return;
    }
    await using ovs = new OpenVswitch();
    await ovs.start();
    await ovs.vsctl("add-br", "vvovs0", "--", "set", "bridge", "vvovs0", "datapath_type=netdev");
    // What is in VLAN 42: the network with DHCP.
    const bridge = (await seen(lab))?.bridge ?? "";
    await run("ip", ["link", "add", "vvveth0", "type", "veth", "peer", "name", "vvveth1"]);
    await run("ip", ["link", "set", "vvveth1", "master", bridge]);
    for (const end of ["vvveth0", "vvveth1"]) await run("ip", ["link", "set", end, "up"]);
    await ovs.vsctl("add-port", "vvovs0", "vvveth0", "tag=42");
    await server.apply(created("vvnet-tagged", "mode: openvswitch, bridge: vvovs0, vlan: 42"));
    await server.apply(created("vvnet-trunk", "mode: openvswitch, bridge: vvovs0, trunk: [42, 43]"));
    const nics =
      "{name: a, virtualNetworkRef: {name: vvnet-tagged}}, {name: b, virtualNetworkRef: {name: vvnet-trunk}}";
    await server.apply(tinyVm("tagged", `networks: [${nics}]`));
    await eventually(
      "the guest is plugged in",
      async () => {
        const ports = (await ovs.vsctl("list-ports", "vvovs0")).split("\n").filter((port) => port.startsWith("vnet"));
        return ports.length === 2 ? ports : undefined;
      },
      { timeoutMs: 60_000 },
    );
    // Device, type, source, model, MAC address.
    const [access, trunk] = (await virsh("domiflist", "tagged")).split("\n").map((line) => line.trim().split(/\s+/));
    assert.equal(await ovs.vsctl("get", "port", access?.[0] ?? "", "tag"), "42");
    assert.equal(await ovs.vsctl("get", "port", trunk?.[0] ?? "", "trunks"), "[42, 43]");
    const mac = access?.[4] ?? "no MAC";
    await eventually(
      "the guest has an address of VLAN 42",
      async () => ((await virsh("net-dhcp-leases", lab)).includes(mac) ? true : undefined),
      { timeoutMs: 60_000 },
    );
    await remove("vm", "tagged");
    await remove("vnet", "vvnet-tagged", "vvnet-trunk");
    await run("ip", ["link", "del", "vvveth0"]);
  });

  test("an adopted network is told of, and stays when it is let go of", async () => {
    await server.apply(network("vvnet-adopted", "adopt: {name: default}"));
    await untilReason("vnet", "vvnet-adopted", "Ready");
    const status = await seen("vvnet-adopted");
    assert.deepEqual([status?.mode, status?.bridge, status?.subnets], ["nat", "virbr0", ["192.168.122.1/24"]]);
    await remove("vnet", "vvnet-adopted");
    assert.match(await virsh("net-info", "default"), /Active:\s+yes/);
  });

  test("what is declared wrong is refused with every reason", async () => {
    const applied = await server.kubectl(["apply", "-f", "-"], { input: created("vvnet-bad", "mode: token-ring") });
    assert.notEqual(applied.code, 0);
    await server.apply(created("vvnet-bad", "mode: nat, vlan: 5, subnets: [{address: 192.168.212.0/24}]"));
    const { message } = await untilReason("vnet", "vvnet-bad", "InvalidSpec");
    assert.match(message, /vlan needs mode openvswitch/);
    assert.match(message, /the subnet's own address/);
    await remove("vnet", "vvnet-bad");
  });

  for (const step of ["RecordPlacement", "Create", "Remove"]) {
    for (const phase of ["start", "done"]) {
      test(`kill -9 at ${step} ${phase} leaves one network, then none`, async () => {
        const killed = server.killAt({ controller: "virtual-network", object: "default/vvnet-killed", step, phase });
        const spec = "mode: isolated, subnets: [{address: 192.168.214.1/24}]";
        await server.kubectl(["apply", "-f", "-"], { input: created("vvnet-killed", spec) });
        if (step === "Remove") {
          await untilReason("vnet", "vvnet-killed", "Ready");
          await server.kubectl(["delete", "vnet", "vvnet-killed", "--wait=false"]);
        }
        await killed;
        await server.start();
        if (step !== "Remove") {
          await untilReason("vnet", "vvnet-killed", "Ready");
          assert.equal((await names()).filter((name) => name === "vvnet-killed").length, 1);
          await server.kubectl(["delete", "vnet", "vvnet-killed", "--wait=false"]);
        }
        await eventually("it is gone", async () =>
          (await server.get("vnet", "vvnet-killed")) === undefined ? true : undefined,
        );
        assert.ok(!(await names()).includes("vvnet-killed"));
      });
    }
  }

  test("a network in use is not deleted, and is once nobody uses it", async () => {
    await server.kubectl(["delete", "vnet", lab, "--wait=false"]);
    const held = await untilReason("vnet", lab, "InUse");
    assert.match(held.message, /VirtualMachine\/web/);
    assert.ok(await answers(await ipOf("web")));
    await remove("vm", "web");
    await eventually("it is gone", async () => ((await server.get("vnet", lab)) === undefined ? true : undefined));
    assert.ok(!(await names()).includes(lab));
  });
});
