import assert from "node:assert/strict";
import { test } from "node:test";
import type { NicDefinition } from "@vivarium/provider";
import { parseSegment, refusalBySegment } from "./check-nic.ts";

const nic: NicDefinition = { name: "lan", source: { network: "n" }, model: "virtio", mac: "52:54:00:00:00:01" };
const nat = parseSegment(`<network><name>n</name>
  <ip address="192.0.2.1" netmask="255.255.255.128"/><ip family="ipv6" address="2001:db8::1" prefix="64"/></network>`);
const ovs = parseSegment(`<network><name>n</name><virtualport type="openvswitch"/></network>`);

test("a network's subnets are read with netmask or prefix", () => {
  assert.deepEqual(nat.subnets, ["192.0.2.1/25", "2001:db8::1/64"]);
  assert.equal(ovs.isOpenVswitch, true);
});

const filter = { rules: [], otherwise: "drop", allowsDhcp: true } as const;
for (const [what, change, segment, refusal] of [
  ["a plain interface", {}, nat, undefined],
  ["an address inside", { addresses: ["192.0.2.7/25", "2001:db8::7/64"] }, nat, undefined],
  ["an address outside", { addresses: ["192.0.2.200/25"] }, nat, /192\.0\.2\.200 .*outside .*192\.0\.2\.1\/25/],
  ["the host's own address", { addresses: ["2001:db8::1/64"] }, nat, /host's own/],
  ["any address where the network has no subnet", { addresses: ["192.0.2.200/25"] }, ovs, undefined],
  ["a VLAN on a bridge", { vlan: 7 }, nat, /not one of Open vSwitch/],
  ["a VLAN on Open vSwitch", { vlan: 7 }, ovs, undefined],
  ["a filter on Open vSwitch", { filter }, ovs, /no filter/],
  ["isolation on Open vSwitch", { isIsolated: true }, ovs, /isolated/],
] as const satisfies readonly (readonly [string, Partial<NicDefinition>, typeof nat, RegExp | undefined])[]) {
  test(`${what}: ${refusal === undefined ? "taken" : "refused"}`, () => {
    const found = refusalBySegment({ ...nic, ...change }, segment);
    if (refusal === undefined) assert.equal(found, undefined);
    else assert.match(found?.why ?? "", refusal);
  });
}
