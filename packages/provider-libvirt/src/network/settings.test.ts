import assert from "node:assert/strict";
import { test } from "node:test";
import { NetworkSection, NetworkUpdateCommand } from "@vivarium/libvirt";
import { settingUpdates } from "./settings.ts";

const subnets = ["192.0.2.1/24", "2001:db8::1/64"];
const none = { ranges: [], leases: [], dnsHosts: [] };
const some = {
  ranges: [{ start: "2001:db8::10", end: "2001:db8::20" }],
  leases: [{ mac: "52:54:00:00:00:01", ip: "192.0.2.10" }],
  dnsHosts: [{ ip: "192.0.2.1", names: ["gateway"] }],
};

test("nothing to change is no call", () => {
  assert.deepEqual(settingUpdates(some, structuredClone(some), { subnets }), []);
});

test("each entry goes to the subnet that it is of", () => {
  const updates = settingUpdates(none, some, { subnets });
  assert.deepEqual(
    updates.map(({ command, section, parentIndex }) => [command, section, parentIndex]),
    [
      [NetworkUpdateCommand.ADD_LAST, NetworkSection.IP_DHCP_RANGE, 1],
      [NetworkUpdateCommand.ADD_LAST, NetworkSection.IP_DHCP_HOST, 0],
      [NetworkUpdateCommand.ADD_LAST, NetworkSection.DNS_HOST, undefined],
    ],
  );
});

test("what goes makes room before what comes: an address may pass from one to another", () => {
  const wanted = { ...none, leases: [{ mac: "52:54:00:00:00:02", ip: "192.0.2.10" }] };
  const updates = settingUpdates({ ...none, leases: some.leases }, wanted, { subnets });
  assert.deepEqual(
    updates.map(({ command }) => command),
    [NetworkUpdateCommand.DELETE, NetworkUpdateCommand.ADD_LAST],
  );
  assert.match(updates[0]?.xml ?? "", /00:01/);
  assert.match(updates[1]?.xml ?? "", /00:02/);
});
