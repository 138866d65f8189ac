import assert from "node:assert/strict";
import { it } from "node:test";
import { networkConfigFor } from "./network-config.ts";

it("finds interfaces by address, in lower case, and names them in order", () => {
  const config = networkConfigFor([
    { macAddress: "52:54:00:AA:BB:01", dhcp4: true },
    { macAddress: "52-54-00-aa-bb-02", addresses: ["192.0.2.10/24"], gateway4: "192.0.2.1", mtu: 1400 },
  ]);
  assert.deepEqual(config, {
    version: 2,
    ethernets: {
      eth0: {
        match: { macaddress: "52:54:00:aa:bb:01" },
        "set-name": "eth0",
        dhcp4: true,
        "dhcp-identifier": "mac",
      },
      eth1: {
        match: { macaddress: "52:54:00:aa:bb:02" },
        "set-name": "eth1",
        addresses: ["192.0.2.10/24"],
        gateway4: "192.0.2.1",
        mtu: 1400,
        dhcp4: false,
      },
    },
  });
});

it("is empty for a VM without interfaces", () => {
  assert.deepEqual(networkConfigFor([]), { version: 2, ethernets: {} });
});
