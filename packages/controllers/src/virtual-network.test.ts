// VirtualNetworks over a real API server and the simulated hypervisor.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  Event,
  findCondition,
  isStatus,
  Provider,
  VirtualMachine,
  VirtualNetwork,
  VMNetworkAttachment,
} from "@vivarium/api";
import type { VirtualNetworkSpec } from "@vivarium/api";
import type { VmDefinition } from "@vivarium/provider";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";
import { macsOf } from "./virtual-machine/resolve/macs.ts";
import { createVirtualNetworkController } from "./virtual-network.ts";

const namespace = "default";
const key = { namespace, name: "lab" };
const subnet = { address: "192.0.2.1/24", dhcpRanges: [{ start: "192.0.2.100", end: "192.0.2.199" }] };
const nat: VirtualNetworkSpec = { create: { mode: "nat", subnets: [subnet] } };

/** A domain that no object stands for. */
const stray: VmDefinition = {
  identity: { uid: "00000000-0000-4000-8000-000000000001", namespace, name: "stray" },
  cpus: 1,
  memoryBytes: 1,
  firmware: "BIOS",
  secureBoot: false,
  tpm: false,
  nestedVirtualization: false,
  disks: [],
  networks: [{ name: "x", source: { network: "lab" }, model: "virtio", mac: "52:54:00:00:00:09" }],
};

async function lab(t: TestContext, spec: VirtualNetworkSpec = nat) {
  const base = await controllersLab(t);
  const { client, manager, providers, clock, hypervisor } = base;
  base.run(createVirtualNetworkController({ manager, providers, clock }));
  await client.create(Provider, provider("sim"));
  await client.create(VirtualNetwork, { ...headOf(VirtualNetwork, "lab"), spec });
  /** Time passes while it is waited. */
  const soon = (isSo: (network: VirtualNetwork) => boolean | undefined, what: string) =>
    eventually(async () => {
      await clock.advance(500);
      const network = await client.get(VirtualNetwork, key);
      return isSo(network) === true && network;
    }, what);
  return {
    ...base,
    world: hypervisor.world,
    soon,
    ready: (reason: string) => soon((network) => readyOf(network)?.reason === reason, `Ready for ${reason}`),
    patch: (create: object) => client.mergePatch(VirtualNetwork, key, { spec: { create } }),
    settings: () => hypervisor.world.virtualNetworks.get("lab")?.definition.settings,
    gone: () =>
      eventually(async () => {
        await clock.advance(500);
        try {
          await client.get(VirtualNetwork, key);
          return false;
        } catch (error) {
          return isStatus(error, "NotFound");
        }
      }, "the network is gone"),
  };
}

function readyOf(network: VirtualNetwork) {
  return findCondition(network.status?.conditions, "Ready");
}

test("a network is made, reported, and goes with its object", async (t) => {
  const { ready, world, client, gone } = await lab(t);
  const network = await ready("Ready");
  const { phase, mode, active, autostart, bridge, subnets, usedBy } = network.status ?? {};
  assert.deepEqual(
    [phase, mode, active, autostart, bridge, subnets, usedBy],
    ["Ready", "nat", true, true, "virbr-lab", ["192.0.2.1/24"], []],
  );
  assert.equal(world.virtualNetworks.get("lab")?.definition.owner.uid, network.metadata.uid);
  await client.delete(VirtualNetwork, key);
  await gone();
  assert.equal(world.virtualNetworks.size, 0);
});

test("addresses and names are changed without a restart", async (t) => {
  const { ready, patch, settings, hypervisor, soon } = await lab(t);
  await ready("Ready");
  await patch({
    subnets: [{ ...subnet, dhcpRanges: [{ start: "192.0.2.50", end: "192.0.2.60" }] }],
    leases: [{ mac: "52-54-00-00-00-0A", ip: "192.0.2.10", hostname: "printer" }],
    dnsHosts: [
      { ip: "192.0.2.1", names: ["gateway"] },
      { ip: "192.0.2.1", names: ["gw"] },
    ],
    autostart: false,
  });
  await soon(() => settings()?.isAutostarted === false, "the new settings");
  assert.deepEqual(settings(), {
    isAutostarted: false,
    ranges: [{ start: "192.0.2.50", end: "192.0.2.60" }],
    leases: [{ mac: "52:54:00:00:00:0a", ip: "192.0.2.10", hostname: "printer" }],
    dnsHosts: [{ ip: "192.0.2.1", names: ["gateway", "gw"] }],
  });
  assert.ok(!hypervisor.calls.some(({ method }) => method === "networks.start" || method === "networks.remove"));
});

test("what is for good is not changed, and told by name", async (t) => {
  const { ready, patch, world } = await lab(t);
  await ready("Ready");
  await patch({ mode: "routed", subnets: [{ address: "192.0.2.2/24" }] });
  const { message } = readyOf(await ready("InvalidSpec")) ?? {};
  assert.match(message ?? "", /spec\.create\.mode is routed, the network has nat/);
  assert.match(message ?? "", /spec\.create\.subnets is 192\.0\.2\.2\/24/);
  assert.equal(world.virtualNetworks.get("lab")?.definition.mode, "nat");
});

test("a network that is stopped or undefined behind our back is back at once", async (t) => {
  const { ready, world, soon } = await lab(t);
  await ready("Ready");
  world.setNetwork("lab", "stopped");
  await soon(() => world.networks.get("lab") === true, "it runs again");
  const made = world.virtualNetworks.get("lab");
  assert.ok(made !== undefined);
  made.isDefined = false;
  world.emit({ kind: "network", network: "lab", change: "undefined" });
  await soon(() => world.virtualNetworks.get("lab")?.isDefined === true, "it is defined again");
  world.virtualNetworks.delete("lab");
  world.networks.delete("lab");
  world.emit({ kind: "network", network: "lab", change: "undefined" });
  await soon(() => world.virtualNetworks.has("lab") && world.networks.get("lab") === true, "it is made again");
});

test("machines that were plugged in when the network was stopped are plugged in again", async (t) => {
  const { ready, world, soon, hypervisor } = await lab(t);
  await ready("Ready");
  const { compute, disks } = hypervisor.open();
  await disks.writeSeed(stray.identity, new Uint8Array(1));
  await compute.define(stray);
  await compute.start(stray.identity);
  world.setNetwork("lab", "stopped");
  await soon(() => hypervisor.calls.some(({ method }) => method === "networks.reconnect"), "it is reconnected");
  await soon((network) => readyOf(network)?.status === "True", "it is ready");
});

test("an adopted network is reported, never changed, and let go of", async (t) => {
  const { ready, world, client, gone, soon } = await lab(t, { adopt: { name: "default" } });
  const network = await ready("Ready");
  assert.equal(network.status?.network, "default");
  world.setNetwork("default", "stopped");
  await ready("Inactive");
  world.setNetwork("default", "started");
  await soon((each) => each.status?.phase === "Ready", "it is ready");
  await client.delete(VirtualNetwork, key);
  await gone();
  assert.equal(world.networks.get("default"), true);
});

for (const [what, spec, reason, pattern] of [
  ["Open vSwitch where there is none", { mode: "openvswitch", bridge: "ovs0", vlan: 5 }, "Unsupported", /Open vSwitch/],
  ["a bridge that is not there", { mode: "bridged", bridge: "br9" }, "InvalidSpec", /no bridge "br9"/],
  [
    "a subnet that the host routes elsewhere",
    { mode: "nat", subnets: [{ address: "198.51.100.1/25" }] },
    "Conflict",
    /198\.51\.100\.1\/25 meets a route/,
  ],
] as const) {
  test(`${what} is refused before anything is touched`, async (t) => {
    const { ready, hypervisor } = await lab(t, {
      create: structuredClone(spec) as NonNullable<VirtualNetworkSpec["create"]>,
    });
    const network = await ready(reason);
    assert.match(readyOf(network)?.message ?? "", pattern);
    assert.equal(network.status?.phase, "Failed");
    assert.ok(!hypervisor.calls.some(({ method }) => method === "networks.create"));
  });
}

test("a network of that name that is not ours is left alone, also at deletion", async (t) => {
  const { client, ready, world, hypervisor, gone } = await lab(t, { adopt: { name: "other" } });
  await ready("NetworkNotFound");
  const settings = { isAutostarted: true, ranges: [], leases: [], dnsHosts: [] };
  const owner = { uid: "theirs", namespace, name: "x" };
  await hypervisor.open().networks?.create({ owner, name: "lab", mode: "isolated", subnets: [], settings });
  await client.mergePatch(VirtualNetwork, key, { spec: { adopt: null, create: { mode: "isolated" } } });
  await ready("NameConflict");
  await client.delete(VirtualNetwork, key);
  await gone();
  assert.equal(world.virtualNetworks.get("lab")?.definition.owner.uid, "theirs");
});

test("machines keep the addresses that they declare, and give them back when they go", async (t) => {
  const { ready, client, settings, soon } = await lab(t);
  await ready("Ready");
  await client.create(VMNetworkAttachment, {
    ...headOf(VMNetworkAttachment, "lan"),
    spec: { network: { virtualNetworkRef: { name: "lab" } } },
  });
  const direct = await client.create(
    VirtualMachine,
    machine("a", { networks: [{ name: "x", virtualNetworkRef: { name: "lab" }, ipAddress: "192.0.2.20" }] }),
  );
  const through = await client.create(
    VirtualMachine,
    machine("b", {
      networks: [{ name: "other" }, { name: "x", networkRef: { name: "lan" }, ipAddress: "192.0.2.21" }],
    }),
  );
  await soon(() => settings()?.leases.length === 2, "two addresses are kept");
  assert.deepEqual(settings()?.leases, [
    { mac: macsOf(direct)[0], ip: "192.0.2.20", hostname: "a" },
    { mac: macsOf(through)[1], ip: "192.0.2.21", hostname: "b" },
  ]);
  await client.delete(VirtualMachine, { namespace, name: "a" });
  await soon(() => settings()?.leases.length === 1, "one address is kept");
});

test("an address that cannot be kept is told, and takes nothing from the others", async (t) => {
  const leases = [
    { mac: "52:54:00:00:00:01", ip: "192.0.2.10" },
    { mac: "52:54:00:00:00:02", ip: "192.0.2.10" },
    { vmRef: { name: "web" }, ip: "192.0.2.11" },
    { mac: "52:54:00:00:00:03", ip: "203.0.113.1" },
  ];
  const { ready, client, settings, soon } = await lab(t, { create: { mode: "nat", subnets: [subnet], leases } });
  const network = await ready("Ready");
  const told = findCondition(network.status?.conditions, "LeasesApplied");
  assert.equal(told?.status, "False");
  for (const part of ["192.0.2.10", 'VirtualMachine "web"', "203.0.113.1"])
    assert.ok(told.message.includes(part), part);
  assert.equal(settings()?.leases.length, 1);
  const networks = [{ name: "x", virtualNetworkRef: { name: "lab" } }];
  await client.create(VirtualMachine, machine("web", { networks }));
  await soon(() => settings()?.leases.some(({ ip, hostname }) => ip === "192.0.2.11" && hostname === "web"), "web's");
});

test("a network is not deleted while a machine names it or a domain is plugged in", async (t) => {
  const { ready, client, world, gone, hypervisor } = await lab(t);
  await ready("Ready");
  const networks = [{ name: "x", virtualNetworkRef: { name: "lab" } }];
  await client.create(VirtualMachine, machine("web", { networks }));
  await hypervisor.open().disks.writeSeed(stray.identity, new Uint8Array(1));
  await hypervisor.open().compute.define(stray);
  await client.delete(VirtualNetwork, key);
  assert.match(readyOf(await ready("InUse"))?.message ?? "", /VirtualMachine\/web/);
  await client.delete(VirtualMachine, { namespace, name: "web" });
  await eventually(async () => {
    const network = await client.get(VirtualNetwork, key);
    return readyOf(network)?.message.includes("domain/stray");
  }, "the domain is named");
  assert.ok(world.virtualNetworks.has("lab"));
  await hypervisor.open().compute.undefine(stray.identity);
  await gone();
  assert.ok(!world.virtualNetworks.has("lab"));
  const events = await client.list(Event);
  assert.ok(events.items.some(({ reason, type }) => reason === "InUse" && type === "Warning"));
});
