import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptableOf, diskTargetsIn } from "./adoptable.ts";

const xml = `<domain type='qemu'>
  <name>old</name><uuid>0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01</uuid><title>The old one</title>
  <metadata>
    <l:libosinfo xmlns:l="http://libosinfo.org/xmlns/libvirt/domain/1.0"><l:os id="http://debian.org/debian/12"/></l:libosinfo>
  </metadata>
  <memory unit='MiB'>256</memory><vcpu>2</vcpu>
  <devices>
    <disk type='file' device='disk'><source file='/srv/old.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <disk type='network' device='disk'><source protocol='rbd' name='pool/image'/><target dev='vdb'/><readonly/></disk>
    <disk type='file' device='cdrom'><source file='/srv/a.iso'/><target dev='sda'/></disk>
    <interface type='network'><mac address='52:54:00:AA:00:01'/><source network='default'/></interface>
    <interface type='bridge'><mac address='52:54:00:aa:00:02'/><source bridge='br0'/></interface>
    <interface type='user'><mac address='52:54:00:aa:00:03'/></interface>
  </devices>
</domain>`;
const facts = {
  power: { power: "running", powerReason: "booted" },
  isPersistent: true,
  sizes: new Map([["vda", 4096]]),
} as const;

test("a domain tells its size, disks, interfaces and metadata; drives without a disk are left out", () => {
  assert.deepEqual(adoptableOf(xml, facts), {
    uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01",
    name: "old",
    isOn: true,
    power: "running",
    isPersistent: true,
    cpus: 2,
    memoryBytes: 256 * 2 ** 20,
    title: "The old one",
    metadata: { "http://libosinfo.org/xmlns/libvirt/domain/1.0": "libosinfo os id=http://debian.org/debian/12" },
    disks: [
      { target: "vda", path: "/srv/old.qcow2", sizeBytes: 4096, isReadOnly: false },
      { target: "vdb", path: "pool/image", isReadOnly: true },
    ],
    nics: [
      { mac: "52:54:00:aa:00:01", source: { network: "default" } },
      { mac: "52:54:00:aa:00:02", source: { bridge: "br0" } },
      { mac: "52:54:00:aa:00:03" },
    ],
  });
  assert.deepEqual(diskTargetsIn(xml), ["vda", "vdb"]);
});

test("the mark says whose the domain is", () => {
  const mark = `<v:vm xmlns:v='https://vivarium.dev/libvirt/1' uid='u-1' namespace='default' name='web'/>`;
  const marked = xml.replace("<metadata>", `<metadata>${mark}`);
  assert.deepEqual(adoptableOf(marked, facts).owner, { uid: "u-1", namespace: "default", name: "web" });
});
