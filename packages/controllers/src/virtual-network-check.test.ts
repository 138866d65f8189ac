import assert from "node:assert/strict";
import { test } from "node:test";
import { dhcpSubnetOf, networkSpecProblems } from "./virtual-network-check.ts";
import type { NetworkCreation } from "./virtual-network-check.ts";

const address = "192.0.2.1/24";
const range = { start: "192.0.2.100", end: "192.0.2.199" };

test("every mode is fine as it is meant", () => {
  const fine: readonly NetworkCreation[] = [
    { mode: "nat", subnets: [{ address, dhcpRanges: [range] }, { address: "2001:db8::1/64" }], dnsHosts: [] },
    { mode: "routed", subnets: [{ address }] },
    { mode: "isolated" },
    { mode: "bridged", bridge: "br0" },
    { mode: "openvswitch", bridge: "ovsbr0", trunk: [1, 2] },
  ];
  for (const create of fine) assert.deepEqual(networkSpecProblems(create), [], create.mode);
});

for (const [what, create, pattern] of [
  ["a bridge without a name", { mode: "bridged" }, /spec\.create\.bridge is absent/],
  ["addresses behind a bridge", { mode: "bridged", bridge: "br0", subnets: [{ address }] }, /spec\.create\.subnets/],
  ["a VLAN without Open vSwitch", { mode: "isolated", vlan: 5 }, /vlan needs mode openvswitch/],
  ["a VLAN and a trunk", { mode: "openvswitch", bridge: "b", vlan: 5, trunk: [6] }, /at most one/],
  ["NAT without a subnet", { mode: "nat" }, /mode nat needs one/],
  ["names without a subnet", { mode: "isolated", dnsHosts: [{ ip: "192.0.2.1", names: ["a"] }] }, /no subnet/],
  ["an address without prefix", { mode: "nat", subnets: [{ address: "192.0.2.1" }] }, /no address with/],
  ["a subnet's own address", { mode: "nat", subnets: [{ address: "192.0.2.0/24" }] }, /the subnet's own address/],
  ["two subnets in one", { mode: "nat", subnets: [{ address }, { address: "192.0.2.9/28" }] }, /overlap/],
  [
    "a range outside",
    { mode: "nat", subnets: [{ address, dhcpRanges: [{ start: "192.0.2.9", end: "192.0.3.9" }] }] },
    /is not in 192\.0\.2\.1\/24/,
  ],
  [
    "a range backwards",
    { mode: "nat", subnets: [{ address, dhcpRanges: [{ start: "192.0.2.9", end: "192.0.2.8" }] }] },
    /ends before it starts/,
  ],
  [
    "DHCP in two subnets",
    {
      mode: "nat",
      subnets: [
        { address, dhcpRanges: [range] },
        { address: "198.51.100.1/24", dhcpRanges: [{ start: "198.51.100.5", end: "198.51.100.6" }] },
      ],
    },
    /more than one IPv4 subnet/,
  ],
  [
    "one name for two addresses",
    {
      mode: "nat",
      subnets: [{ address }],
      dnsHosts: [
        { ip: "192.0.2.1", names: ["a"] },
        { ip: "192.0.2.2", names: ["A"] },
      ],
    },
    /"A" is given to 192\.0\.2\.1 and to 192\.0\.2\.2/,
  ],
] as const satisfies readonly (readonly [string, object, RegExp])[]) {
  test(`${what} is wrong`, () => {
    assert.match(networkSpecProblems(structuredClone(create) as NetworkCreation).join("\n"), pattern);
  });
}

test("addresses are given in the IPv4 subnet with ranges, else in the first", () => {
  const second = { address: "198.51.100.1/24", dhcpRanges: [{ start: "198.51.100.5", end: "198.51.100.6" }] };
  assert.equal(
    dhcpSubnetOf({ mode: "nat", subnets: [{ address: "2001:db8::1/64" }, { address }, second] }),
    second.address,
  );
  assert.equal(dhcpSubnetOf({ mode: "nat", subnets: [{ address }, { address: "198.51.100.1/24" }] }), address);
  assert.equal(dhcpSubnetOf({ mode: "isolated" }), undefined);
});
