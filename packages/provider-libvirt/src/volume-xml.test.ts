import assert from "node:assert/strict";
import { test } from "node:test";
import { buildPoolXml, parsePoolXml } from "./pool-xml.ts";
import { buildVolumeXml, parseVolumeXml } from "./volume-xml.ts";

test("a clone names its image's path and format, and is qcow2 version 3", () => {
  const xml = buildVolumeXml({
    name: "web.root.qcow2",
    format: "qcow2",
    capacityBytes: 4096,
    allocationBytes: 0,
    backing: { path: "/pool/a&b.raw", format: "raw" },
  });
  assert.equal(
    xml,
    `<volume type="file">
  <name>web.root.qcow2</name>
  <capacity unit="bytes">4096</capacity>
  <allocation unit="bytes">0</allocation>
  <target>
    <format type="qcow2"/>
    <compat>1.1</compat>
  </target>
  <backingStore>
    <path>/pool/a&amp;b.raw</path>
    <format type="raw"/>
  </backingStore>
</volume>
`,
  );
});

test("a volume as libvirt describes it is read", () => {
  const view = parseVolumeXml(`<volume type='file'>
  <name>a.qcow2</name><key>/pool/a.qcow2</key>
  <capacity unit='bytes'>1048576</capacity><allocation unit='bytes'>200704</allocation><physical unit='bytes'>196736</physical>
  <target><path>/pool/a.qcow2</path><format type='qcow2'/><timestamps><mtime>1763769000.250</mtime></timestamps></target>
  <backingStore><path>/pool/base.qcow2</path><format type='qcow2'/></backingStore>
</volume>`);
  assert.deepEqual(view, {
    name: "a.qcow2",
    path: "/pool/a.qcow2",
    format: "qcow2",
    capacityBytes: 1048576,
    allocationBytes: 200704,
    physicalBytes: 196736,
    backingPath: "/pool/base.qcow2",
    changedSeconds: 1763769000.25,
  });
});

test("a pool is written and read", () => {
  const xml = buildPoolXml({ name: "vivarium", path: "/var/lib/libvirt/images/vivarium" });
  assert.deepEqual(parsePoolXml(xml), {
    type: "dir",
    path: "/var/lib/libvirt/images/vivarium",
    capacityBytes: 0,
    availableBytes: 0,
  });
});
