import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRoute4, parseRoute6 } from "./host-network.ts";
import { overlapsOf } from "./network-check.ts";

const lan = { name: "lan", shape: { mode: "nat", bridge: "virbr1", subnets: ["192.0.2.1/24"] } };
const routes = [
  { subnet: "192.0.2.0/24", device: "virbr1" },
  { subnet: "198.51.100.0/24", device: "eth0" },
  { subnet: "203.0.113.0/24", device: "virbr2" },
];

test("a network is named once, and not by the route of its bridge", () => {
  assert.deepEqual(overlapsOf(["192.0.2.129/25"], { others: [lan], routes, ownBridge: undefined }), [
    'subnet 192.0.2.129/25 meets that of network "lan" (192.0.2.1/24)',
  ]);
});

test("a route of the host is named with its device", () => {
  assert.deepEqual(overlapsOf(["198.51.100.1/28"], { others: [lan], routes, ownBridge: undefined }), [
    "subnet 198.51.100.1/28 meets a route of the host (198.51.100.0/24 on eth0)",
  ]);
});

test("a network is no obstacle to itself", () => {
  assert.deepEqual(overlapsOf(["203.0.113.1/24"], { others: [lan], routes, ownBridge: "virbr2" }), []);
});

test("routes are read from /proc/net/route, without the default one", () => {
  const line = (destination: string, mask: string): string =>
    `virbr0\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0`;
  assert.deepEqual(parseRoute4(line("007AA8C0", "00FFFFFF")), [{ subnet: "192.168.122.0/24", device: "virbr0" }]);
  assert.deepEqual(parseRoute4(line("00000000", "00000000")), []);
  assert.deepEqual(parseRoute4(""), []);
});

test("routes are read from /proc/net/ipv6_route, without link-local ones and the host's own addresses", () => {
  const line = (destination: string, length: string): string =>
    `${destination} ${length} ${"0".repeat(32)} 00 ${"0".repeat(32)} 00000100 00000001 00000000 00000001     eth0`;
  assert.deepEqual(parseRoute6(line("20010db8000000000000000000000000", "40")), [
    { subnet: "2001:0db8:0000:0000:0000:0000:0000:0000/64", device: "eth0" },
  ]);
  for (const [destination, length] of [
    ["fe800000000000000000000000000000", "40"],
    ["20010db8000000000000000000000001", "80"],
    ["0".repeat(32), "00"],
  ] as const) {
    assert.deepEqual(parseRoute6(line(destination, length)), []);
  }
});
