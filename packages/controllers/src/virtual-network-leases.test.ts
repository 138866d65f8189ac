import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachine, VirtualNetwork } from "@vivarium/api";
import { keptLeases } from "./virtual-network-leases.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";

type Leases = NonNullable<NonNullable<VirtualNetwork["spec"]["create"]>["leases"]>;

const subnet = "192.0.2.1/24";

function network(leases: Leases = []): VirtualNetwork {
  return {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "VirtualNetwork",
    metadata: { name: "lab", namespace: "default" },
    spec: { create: { mode: "nat", leases } },
  };
}

/** `mac`: its last two digits. */
function nic(name: string, mac: string, of: { readonly ip?: string; readonly namespace?: string } = {}): PluggedNic {
  const vm: VirtualMachine = {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name, namespace: of.namespace ?? "default" },
    spec: {},
  };
  return { vm, interface: "lan", mac: `52:54:00:00:00:${mac}`, ...(of.ip === undefined ? {} : { ip: of.ip }) };
}

test("the spec's leases come first, and a machine's own that says the same is one with it", () => {
  const leases = [{ vmRef: { name: "web" }, interface: "lan", ip: "192.0.2.10", hostname: "www" }];
  const kept = keptLeases(network(leases), { subnet, plugged: [nic("web", "01", { ip: "192.0.2.10" })] });
  assert.deepEqual(kept, {
    leases: [{ mac: "52:54:00:00:00:01", ip: "192.0.2.10", hostname: "www" }],
    problems: [],
  });
});

test("a machine of the same name in another namespace keeps its address without a name", () => {
  const plugged = [nic("web", "01", { ip: "192.0.2.10" }), nic("web", "02", { ip: "192.0.2.11", namespace: "other" })];
  assert.deepEqual(keptLeases(network(), { subnet, plugged }).leases, [
    { mac: "52:54:00:00:00:01", ip: "192.0.2.10", hostname: "web" },
    { mac: "52:54:00:00:00:02", ip: "192.0.2.11" },
  ]);
});

for (const [what, leases, pattern] of [
  ["nobody's", [{ ip: "192.0.2.10" }], /exactly one of mac and vmRef/],
  ["of a machine elsewhere", [{ vmRef: { name: "far" }, ip: "192.0.2.10" }], /"far" has no interface in this network/],
  ["of another interface", [{ vmRef: { name: "web" }, interface: "wan", ip: "192.0.2.10" }], /no interface "wan"/],
  ["the host's own", [{ mac: "52:54:00:00:00:01", ip: "192.0.2.1" }], /the host's own address/],
  ["outside", [{ mac: "52:54:00:00:00:01", ip: "198.51.100.1" }], /not in 192\.0\.2\.1\/24/],
  [
    "a second of one interface",
    [
      { mac: "52:54:00:00:00:01", ip: "192.0.2.10" },
      { mac: "52-54-00-00-00-01", ip: "192.0.2.11" },
    ],
    /192\.0\.2\.11 is not kept.*another address is kept/,
  ],
  [
    "under a name that is taken",
    [
      { mac: "52:54:00:00:00:01", ip: "192.0.2.10", hostname: "a" },
      { mac: "52:54:00:00:00:02", ip: "192.0.2.11", hostname: "A" },
    ],
    /the name "A" is another address's/,
  ],
] as const satisfies readonly (readonly [string, Leases, RegExp])[]) {
  test(`an address that is ${what} is not kept, and told`, () => {
    const kept = keptLeases(network([...leases]), { subnet, plugged: [nic("web", "09")] });
    assert.equal(kept.problems.length, 1);
    assert.match(kept.problems.join(), pattern);
    assert.equal(kept.leases.length, leases.length - 1);
  });
}

test("without an IPv4 subnet no address is kept", () => {
  const kept = keptLeases(network([{ mac: "52:54:00:00:00:01", ip: "192.0.2.10" }]), {
    subnet: undefined,
    plugged: [],
  });
  assert.deepEqual(kept.leases, []);
  assert.match(kept.problems.join(), /no IPv4 subnet/);
});
