import assert from "node:assert/strict";
import { test } from "node:test";
import type { VMNetworkAttachment } from "@vivarium/api";
import { addressingOf } from "./nic-addresses.ts";

type Nic = Parameters<typeof addressingOf>[0];

function resolve(nic: Omit<Nic, "name">, allocation?: VMNetworkAttachment["spec"]["ipAllocation"]) {
  const complaints: string[] = [];
  const attachment: VMNetworkAttachment = {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VMNetworkAttachment",
    metadata: { name: "lan" },
    spec: { network: { type: "nat" }, ...(allocation === undefined ? {} : { ipAllocation: allocation }) },
  };
  return { seed: addressingOf({ name: "a", ...nic }, attachment, (text) => complaints.push(text)), complaints };
}

test("both families, gateways, routes and name servers are told to the guest", () => {
  const { seed, complaints } = resolve({
    ipAddress: "192.0.2.10",
    prefix: 25,
    gateway: "192.0.2.1",
    ipv6Address: "2001:db8::10",
    ipv6Gateway: "fe80::1",
    dns: "192.0.2.2, 2001:db8::2",
    routes: [{ destination: "198.51.100.0/24", gateway: "192.0.2.5", metric: 10 }],
  });
  assert.deepEqual(complaints, []);
  assert.deepEqual(seed, {
    addresses: ["192.0.2.10/25", "2001:db8::10/64"],
    gateway4: "192.0.2.1",
    gateway6: "fe80::1",
    routes: [{ to: "198.51.100.0/24", via: "192.0.2.5", metric: 10 }],
    nameservers: { addresses: ["192.0.2.2", "2001:db8::2"] },
  });
});

test("the network's own address, prefix, gateway and routes hold where the machine says none", () => {
  const allocation = {
    type: "Static",
    staticConfig: {
      address: "192.0.2.10/28",
      gateway: "192.0.2.1",
      routes: [{ destination: "198.51.100.0/24", gateway: "192.0.2.5" }],
    },
    dnsConfig: { servers: ["192.0.2.2"], searchDomains: ["lab.example"] },
  } as const;
  const { seed } = resolve({}, structuredClone(allocation) as never);
  assert.deepEqual(seed.addresses, ["192.0.2.10/28"]);
  const { seed: own, complaints } = resolve({ ipAddress: "192.0.2.11" }, structuredClone(allocation) as never);
  assert.deepEqual(complaints, []);
  assert.deepEqual([own.addresses, own.gateway4, own.routes?.length], [["192.0.2.11/28"], "192.0.2.1", 1]);
  assert.deepEqual(own.nameservers, { addresses: ["192.0.2.2"], search: ["lab.example"] });
  const outside = resolve({ ipAddress: "192.0.2.99" }, structuredClone(allocation) as never);
  assert.match(outside.complaints.join(), /192\.0\.2\.99 is outside of 192\.0\.2\.10\/28/);
});

for (const [what, nic, complaint] of [
  [
    "a gateway outside of the network",
    { ipAddress: "192.0.2.10", gateway: "198.51.100.1" },
    /outside of the interface's/,
  ],
  ["a gateway that is the machine itself", { ipAddress: "192.0.2.10", gateway: "192.0.2.10" }, /own address/],
  ["a gateway without an address", { gateway: "192.0.2.1" }, /needs an address/],
  ["the subnet's own number", { ipAddress: "192.0.2.0" }, /first or the last/],
  ["the broadcast address", { ipAddress: "192.0.2.127", prefix: 25 }, /first or the last/],
  ["a name server by name", { dns: "dns.example" }, /"dns\.example" is no IP/],
  [
    "a route through another network",
    { ipAddress: "192.0.2.10", routes: [{ destination: "198.51.100.0/24", gateway: "203.0.113.1" }] },
    /203\.0\.113\.1 is in no network/,
  ],
  [
    "a route to no network",
    { ipAddress: "192.0.2.10", routes: [{ destination: "somewhere", gateway: "192.0.2.1" }] },
    /"somewhere" is no network/,
  ],
  ["an IPv6 address that is none", { ipv6Address: "2001::db8::1" }, /no IPv6 address/],
] as const) {
  test(`${what} is refused`, () => {
    assert.match(resolve(structuredClone(nic) as never).complaints.join("; "), complaint);
  });
}

test("both ends of a point-to-point link are addresses", () => {
  assert.deepEqual(resolve({ ipAddress: "192.0.2.0", prefix: 31, gateway: "192.0.2.1" }).complaints, []);
});
