import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkDefinition } from "@vivarium/provider";
import { buildNetworkXml, parseNetworkXml } from "./network-xml.ts";

const owner = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "lab" };
const none = { isAutostarted: false, ranges: [], leases: [], dnsHosts: [] };
const nat: NetworkDefinition = {
  owner,
  name: "lab",
  mode: "nat",
  bridge: "virbr-lab",
  domain: "lab.example",
  subnets: ["192.0.2.1/24", "2001:db8::1/64"],
  settings: {
    isAutostarted: true,
    ranges: [{ start: "192.0.2.100", end: "192.0.2.199" }],
    leases: [
      { mac: "52:54:00:00:00:01", ip: "192.0.2.10", hostname: "printer" },
      { mac: "52:54:00:00:00:02", ip: "192.0.2.11" },
    ],
    dnsHosts: [{ ip: "2001:db8::5", names: ["alpha", "beta"] }],
  },
};

test("a network with all there is, as libvirt wants it", () => {
  assert.equal(
    buildNetworkXml(nat),
    `<network>
  <name>lab</name>
  <uuid>${owner.uid}</uuid>
  <metadata>
    <vivarium:network xmlns:vivarium="https://vivarium.dev/libvirt/1" uid="${owner.uid}" namespace="default" name="lab"/>
  </metadata>
  <forward mode="nat">
    <nat ipv6="yes"/>
  </forward>
  <bridge name="virbr-lab" stp="on" delay="0"/>
  <domain name="lab.example" localOnly="yes"/>
  <dns>
    <host ip="2001:db8::5">
      <hostname>alpha</hostname>
      <hostname>beta</hostname>
    </host>
  </dns>
  <ip family="ipv4" address="192.0.2.1" prefix="24">
    <dhcp>
      <range start="192.0.2.100" end="192.0.2.199"/>
      <host mac="52:54:00:00:00:01" name="printer" ip="192.0.2.10"/>
      <host mac="52:54:00:00:00:02" ip="192.0.2.11"/>
    </dhcp>
  </ip>
  <ip family="ipv6" address="2001:db8::1" prefix="64"/>
</network>
`,
  );
});

for (const definition of [
  nat,
  { ...nat, mode: "routed" },
  { owner, name: "lab", mode: "isolated", subnets: [], settings: none },
  { owner, name: "lab", mode: "bridged", bridge: "br0", subnets: [], settings: none },
  { owner, name: "lab", mode: "openvswitch", bridge: "ovs0", vlan: 42, subnets: [], settings: none },
  { owner, name: "lab", mode: "openvswitch", bridge: "ovs0", trunk: [10, 20], subnets: [], settings: none },
] as const satisfies readonly NetworkDefinition[]) {
  test(`a network of mode ${definition.mode} is read as it was written`, () => {
    const view = parseNetworkXml(buildNetworkXml(definition));
    const { owner: _, name, settings, ...shape } = definition;
    const { isAutostarted: __, ...updatable } = settings;
    assert.deepEqual(view, { name, uuid: owner.uid, shape, settings: updatable });
  });
}

test("what others wrote is read: netmask for prefix, forward without mode, capitals in MACs and addresses", () => {
  const view = parseNetworkXml(`<network><name>default</name><uuid>u</uuid><forward/><bridge name='virbr0'/>
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><host mac='52:54:00:AA:BB:CC' ip='192.168.122.9'/></dhcp></ip>
    <ip family='ipv6' address='2001:DB8:0::1' prefix='64'/></network>`);
  assert.deepEqual(view.shape, {
    mode: "nat",
    bridge: "virbr0",
    subnets: ["192.168.122.1/24", "2001:db8::1/64"],
  });
  assert.deepEqual(view.settings.leases, [{ mac: "52:54:00:aa:bb:cc", ip: "192.168.122.9" }]);
});
