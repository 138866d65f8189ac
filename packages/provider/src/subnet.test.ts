import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { canonicalIp, canonicalSubnet, doSubnetsOverlap, isHostAddress, isInRange, isInSubnet } from "./subnet.ts";

test("an address has one form", () => {
  assert.equal(canonicalIp("2001:DB8:0::1"), "2001:db8::1");
  assert.equal(canonicalIp("192.0.2.1"), "192.0.2.1");
  assert.equal(canonicalIp("192.0.2.256"), undefined);
  assert.equal(canonicalSubnet("2001:DB8:0::1/64"), "2001:db8::1/64");
  for (const none of ["192.0.2.1", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/24/1", "a/24", "192.0.2.1/1.5"]) {
    assert.equal(canonicalSubnet(none), undefined, none);
  }
});

for (const [a, b, isSo] of [
  ["10.0.0.1/8", "10.213.1.1/24", true],
  ["10.213.1.1/24", "10.0.0.1/8", true],
  ["10.213.1.1/24", "10.213.2.1/24", false],
  ["10.213.1.1/24", "10.213.1.200/32", true],
  ["2001:db8::1/64", "2001:db8::/48", true],
  ["2001:db8::1/64", "2001:db8:1::/64", false],
  ["0.0.0.0/0", "2001:db8::/48", false],
] as const) {
  test(`${a} and ${b} ${isSo ? "overlap" : "have nothing in common"}`, () => {
    assert.equal(doSubnetsOverlap(a, b), isSo);
  });
}

test("the first and the last address of an IPv4 subnet are no host's", () => {
  const hosts = ["192.0.2.1/24", "192.0.2.254/24", "192.0.2.0/31", "2001:db8::/64", "10.0.1.0/8"];
  assert.deepEqual(hosts.filter(isHostAddress), hosts);
  assert.deepEqual(["192.0.2.0/24", "192.0.2.255/24", "192.0.2.4/30", "nonsense"].filter(isHostAddress), []);
});

test("overlap is mutual, and a subnet holds each of its own addresses", () => {
  const subnet = fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, prefix]) => `${ip}/${prefix}`);
  fc.assert(
    fc.property(subnet, subnet, (a, b) => {
      assert.equal(doSubnetsOverlap(a, b), doSubnetsOverlap(b, a));
      assert.ok(isInSubnet(a.split("/")[0] ?? "", a));
    }),
  );
});

test("a range has its ends and what is between, and nothing when it runs backwards", () => {
  const range = { start: "192.0.2.10", end: "192.0.2.20" };
  assert.deepEqual(
    ["192.0.2.9", "192.0.2.10", "192.0.2.15", "192.0.2.20", "192.0.2.21", "::1"].map((ip) => isInRange(ip, range)),
    [false, true, true, true, false, false],
  );
  assert.equal(isInRange("192.0.2.15", { start: range.end, end: range.start }), false);
});
