import assert from "node:assert/strict";
import { test } from "node:test";
import type { NicFilter } from "@vivarium/provider";
import { findAll, parseXml, renderXml } from "../xml/element.ts";
import { filterElement, filterKeyOf, filterNameOf, filtersUsedBy, filterUuidOf, isOurFilter } from "./filter-xml.ts";

const open: NicFilter = { rules: [], otherwise: "accept", allowsDhcp: true };

/** One line for each rule: priority, action, direction, what it matches. */
function rulesOf(filter: NicFilter): readonly string[] {
  return findAll(parseXml(renderXml(filterElement(filter))), "rule").map(({ attributes, children }) => {
    const [match] = children;
    const said = Object.entries(match?.attributes ?? {}).map(([key, value]) => `${key}=${value}`);
    return [attributes["priority"], attributes["action"], attributes["direction"], match?.name, ...said].join(" ");
  });
}

test("a filter that was changed has another name; what is ours is told by name and UUID", () => {
  const name = filterNameOf(open);
  assert.match(name, /^vivarium-[0-9a-f]{16}$/);
  assert.notEqual(name, filterNameOf({ ...open, otherwise: "drop" }));
  assert.equal(filterKeyOf("clean-traffic"), "unknown");
  assert.ok(isOurFilter({ name, uuid: filterUuidOf(name) }));
  assert.ok(!isOurFilter({ name, uuid: "75691cc9-0bb5-430d-8ceb-e442a4906637" }));
  assert.match(filterUuidOf(name), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("rules go in order, for each family that they can mean, between what always passes and the rest", () => {
  const rules = rulesOf({
    rules: [
      { action: "accept", direction: "in", protocol: "tcp", ports: { start: 22, end: 22 } },
      { action: "drop", direction: "out", protocol: "all", destination: "10.0.0.0/8" },
      { action: "reject", direction: "in", protocol: "icmp", source: "2001:db8::/32" },
    ],
    otherwise: "drop",
    allowsDhcp: true,
  });
  assert.deepEqual(rules.slice(0, 2), [
    "10 accept out udp srcportstart=68 dstportstart=67",
    "10 accept in udp srcportstart=67 dstportstart=68",
  ]);
  assert.deepEqual(rules.slice(6), [
    "100 accept in tcp dstportstart=22 dstportend=22",
    "100 accept in tcp-ipv6 dstportstart=22 dstportend=22",
    "101 drop out all dstipaddr=10.0.0.0 dstipmask=8",
    "102 reject in icmpv6 srcipaddr=2001:db8:: srcipmask=32",
    "1000 drop inout all",
    "1000 drop inout all-ipv6",
  ]);
});

test("a filter without a firewall has none of its rules", () => {
  assert.deepEqual(rulesOf(open), []);
});

test("against spoofing an address is told where it is known; without one there is DHCP alone; IPv6 needs one of its own", () => {
  const learned = { ...open, antiSpoofing: { addresses: [] } };
  assert.deepEqual(rulesOf(learned), [
    "-700 accept out ip protocol=udp srcportstart=68 dstportstart=67",
    "-700 accept in ip protocol=udp srcportstart=67 dstportstart=68",
    "-500 drop inout mac",
  ]);
  assert.deepEqual(rulesOf({ ...open, antiSpoofing: { addresses: ["192.0.2.7"] } }), [
    "-600 drop out mac protocolid=ipv6",
  ]);
  const known = { ...open, antiSpoofing: { addresses: ["192.0.2.7", "2001:db8::7"] } };
  const parameters = findAll(parseXml(renderXml(filterElement(known))), "filterref", "parameter");
  assert.deepEqual(
    parameters.map(({ attributes }) => `${attributes["name"]}=${attributes["value"]}`),
    ["IP=192.0.2.7", "IP=192.0.2.7", "IPV6=2001:db8::7"],
  );
  assert.ok(filtersUsedBy(known).includes("no-ipv6-spoofing"));
  assert.ok(!filtersUsedBy(learned).includes("no-ipv6-spoofing"));
});

test("a filter of the host comes first, with its parameters", () => {
  const base = { name: "clean-traffic", parameters: { IP: "192.0.2.7" } };
  const root = parseXml(renderXml(filterElement({ ...open, base })));
  assert.equal(findAll(root, "filterref")[0]?.attributes["filter"], "clean-traffic");
  assert.deepEqual(filtersUsedBy({ ...open, base }), ["clean-traffic"]);
});
