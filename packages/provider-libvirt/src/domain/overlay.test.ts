import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isProviderError } from "@vivarium/provider";
import { find, findAll, parseXml } from "../xml/element.ts";
import { applyOverlay, parseOverlay } from "./overlay.ts";

const domain = parseXml(`<domain type="qemu">
  <name>web</name><uuid>0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01</uuid>
  <os><type>hvm</type></os><features><acpi/></features><clock offset="utc"/>
  <cpu mode="custom"><model>qemu64</model><feature name="vmx" policy="disable"/></cpu>
  <devices><disk type="file"/></devices>
</domain>`);

test("what is allowed is added beside what is there", () => {
  const overlay = parseOverlay(`<domain>
    <features><hyperv mode="passthrough"/></features>
    <clock><timer name="hpet" present="no"/></clock>
    <cputune><vcpupin vcpu="0" cpuset="1"/><vcpupin vcpu="1" cpuset="0"/></cputune>
    <memoryBacking><nosharepages/></memoryBacking>
    <cpu><feature name="aes" policy="require"/></cpu>
    <devices><watchdog model="itco" action="reset"/></devices>
  </domain>`);
  const merged = applyOverlay(domain, overlay);
  assert.deepEqual(merged.attributes, domain.attributes);
  assert.deepEqual(
    find(merged, "features")?.children.map(({ name }) => name),
    ["acpi", "hyperv"],
  );
  assert.equal(find(merged, "clock")?.attributes["offset"], "utc");
  assert.equal(findAll(merged, "cputune", "vcpupin").length, 2);
  assert.deepEqual(
    findAll(merged, "cpu", "feature").map(({ attributes }) => attributes["name"]),
    ["vmx", "aes"],
  );
  assert.deepEqual(
    find(merged, "devices")?.children.map(({ name }) => name),
    ["disk", "watchdog"],
  );
});

const refused: readonly (readonly [string, string, RegExp])[] = [
  ["a UUID", "<domain><uuid>x</uuid></domain>", /<uuid> is not to be changed/],
  ["a name", "<domain><name>x</name></domain>", /<name>/],
  ["metadata", "<domain><metadata/></domain>", /<metadata>/],
  ["another type of domain", '<domain type="kvm"/>', /<domain> has attributes/],
  ["a disk", '<domain><devices><disk type="file"/></devices></domain>', /not <disk>/],
  ["a device of the host", '<domain><devices><hostdev mode="subsystem"/></devices></domain>', /not <hostdev>/],
  ["a folder of the host", "<domain><devices><filesystem/></devices></domain>", /not <filesystem>/],
  ["another emulator", "<domain><devices><emulator>/bin/sh</emulator></devices></domain>", /not <emulator>/],
  ["QEMU's command line", '<domain><qemu:commandline xmlns:qemu="x"/></domain>', /<qemu:commandline>/],
  ["the loader", "<domain><os><loader>/x</loader></os></domain>", /not <loader>/],
  ["what limits it", "<domain><cputune><shares>9</shares></cputune></domain>", /not <shares>/],
  ["another CPU", '<domain><cpu mode="host-passthrough"/></domain>', /<cpu> has attributes/],
  ["a security label", "<domain><seclabel/></domain>", /<seclabel>/],
  ["an entity", '<!DOCTYPE d [<!ENTITY a "b">]><domain/>', /declaration/],
  ["what is no XML", "domain", /no XML/],
  ["another root", "<devices/>", /root is <devices>/],
  ["too much", `<domain>${" ".repeat(20_000)}</domain>`, /16384 at most/],
];

for (const [what, text, why] of refused) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => parseOverlay(text),
      (error) => isProviderError(error, "InvalidSpec") && why.test(error.message),
    );
  });
}

test("what is there already is not said twice", () => {
  const twice = parseOverlay('<domain><cpu><feature name="vmx" policy="require"/></cpu></domain>');
  assert.throws(() => applyOverlay(domain, twice), /<feature> in <cpu> is there already/);
});

test("no text makes anything but an overlay or a refusal", () => {
  const words = [
    "<domain>",
    "</domain>",
    "<os>",
    "</os>",
    "<uuid/>",
    "<features>",
    "<kvm/>",
    "</features>",
    "a",
    " x='1'",
    "<!",
    "&lt;",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), (parts) => {
      try {
        const merged = applyOverlay(domain, parseOverlay(parts.join("")));
        assert.deepEqual(find(merged, "uuid"), find(domain, "uuid"));
        assert.equal(findAll(merged, "uuid").length, 1);
      } catch (error) {
        assert.ok(isProviderError(error, "InvalidSpec"), String(error));
      }
    }),
  );
});
