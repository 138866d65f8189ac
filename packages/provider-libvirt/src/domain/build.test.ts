import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import type { VmDefinition } from "@vivarium/provider";
import { limitsOf } from "../sizing/limits.ts";
import { find, findAll, parseXml, textAt } from "../xml/element.ts";
import { buildDomainXml } from "./build.ts";
import { diskDevice } from "./disks.ts";
import type { DomainPlace } from "./build.ts";
import { parseDomainXml } from "./view.ts";

const minimal: VmDefinition = {
  identity: { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" },
  cpus: 2,
  memoryBytes: 2 ** 30,
  firmware: "BIOS",
  secureBoot: false,
  tpm: false,
  nestedVirtualization: false,
  disks: [{ name: "root" }],
  networks: [{ name: "lan", source: { network: "default" }, model: "virtio", mac: "52:54:00:aa:bb:01" }],
};
const full: VmDefinition = {
  ...minimal,
  identity: { ...minimal.identity, namespace: "lab", name: "db-1" },
  firmware: "UEFI",
  secureBoot: true,
  tpm: true,
  nestedVirtualization: true,
  disks: [{ name: "root" }, { name: "data" }],
  networks: [
    ...minimal.networks,
    { name: "wan", source: { bridge: "br0" }, model: "e1000", mac: "52:54:00:aa:bb:02", mtu: 9000 },
  ],
};
const host = { memoryBytes: 2 ** 36, maxVcpus: 64, cpuMhz: 2500 };
const tcg: DomainPlace = { acceleration: "tcg", host, poolPath: "/var/lib/libvirt/images/vivarium" };

const goldens: readonly (readonly [string, VmDefinition, DomainPlace])[] = [
  ["minimal-tcg", minimal, tcg],
  ["minimal-kvm", minimal, { ...tcg, acceleration: "kvm" }],
  ["full-kvm", full, { ...tcg, acceleration: "kvm" }],
];

for (const [name, definition, place] of goldens) {
  test(`the domain "${name}" is as in its golden file`, () => {
    const file = join(import.meta.dirname, "golden", `${name}.xml`);
    const xml = buildDomainXml(definition, place);
    // UPDATE_GOLDEN=1 writes them anew; look at the difference before committing it.
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, xml);
    assert.equal(xml, readFileSync(file, "utf8"));
  });
}

test("a VM that can grow is read back with its room, and its limits", () => {
  const limits = { cpuShares: 512, cpuMhz: 1250, memoryBytes: 2 ** 32 };
  const grows = { ...minimal, maxCpus: 128, maxMemoryBytes: 2 ** 32, limits };
  const xml = buildDomainXml(grows, tcg);
  const view = parseDomainXml(xml);
  assert.deepEqual([view.cpus, view.maxCpus], [2, 64], "no more than the host gives a guest");
  assert.deepEqual([view.memoryBytes, view.maxMemoryBytes], [2 ** 30, 2 ** 32]);
  const { memoryBytes: _, ...started } = limits;
  assert.deepEqual(limitsOf(view.limits, host.cpuMhz), started, "the limit of memory is set once it runs");
  assert.deepEqual(limitsOf(parseDomainXml(buildDomainXml(minimal, tcg)).limits, host.cpuMhz), {});
});

test("a CPU is what its name says, with its topology", () => {
  const cpu = (model: string) => {
    const topology = { sockets: 1, cores: 2, threads: 1 };
    return find(parseXml(buildDomainXml({ ...minimal, cpu: { model, topology } }, tcg)), "cpu");
  };
  assert.equal(cpu("host-model")?.attributes["mode"], "host-model");
  const named = cpu("Nehalem");
  assert.deepEqual([named?.attributes["mode"], named && textAt(named, "model")], ["custom", "Nehalem"]);
  assert.equal(named && find(named, "topology")?.attributes["cores"], "2");
});

test("a panic is told of where something shall follow from it", () => {
  const root = parseXml(buildDomainXml({ ...minimal, onCrash: "preserve" }, tcg));
  assert.equal(textAt(root, "on_crash"), "preserve");
  assert.ok(find(root, "devices", "panic"));
  assert.equal(find(parseXml(buildDomainXml(minimal, tcg)), "devices", "panic"), undefined);
});

test("what is built is read back", () => {
  const view = parseDomainXml(buildDomainXml(full, tcg));
  assert.deepEqual(view.mark, full.identity);
  assert.equal(view.name, "lab_db-1");
  assert.equal(view.uuid, full.identity.uid);
  assert.equal(view.cpus, 2);
  assert.equal(view.memoryBytes, 2 ** 30);
  assert.deepEqual(
    view.nics.map((nic) => [nic.mac, nic.network, nic.bridge]),
    [
      ["52:54:00:aa:bb:01", "default", undefined],
      ["52:54:00:aa:bb:02", undefined, "br0"],
    ],
  );
});

test("no name, network or path can become markup", () => {
  const nasty = fc
    .array(fc.constantFrom("<", ">", '"', "'", "&", "</domain>", "]]>", "a"))
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(nasty, nasty, (text, path) => {
      const definition: VmDefinition = {
        ...minimal,
        identity: { ...minimal.identity, namespace: text },
        networks: [{ name: text, source: { network: text }, model: text, mac: "52:54:00:aa:bb:01" }],
      };
      const root = parseXml(buildDomainXml(definition, { ...tcg, poolPath: path }));
      assert.equal(find(root, "devices", "interface", "source")?.attributes["network"], text);
      assert.equal(parseDomainXml(buildDomainXml(definition, tcg)).mark?.namespace, text);
      assert.equal(findAll(root, "devices", "disk").length, 2);
    }),
  );
});

test("at least 8 PCIe ports stay free for devices plugged in later", () => {
  const disks = Array.from({ length: 20 }, (_, index) => ({ name: `d${index}` }));
  const root = parseXml(buildDomainXml({ ...minimal, disks }, tcg));
  const ports = findAll(root, "devices", "controller").filter((c) => c.attributes["model"] === "pcie-root-port");
  // 20 disks, seed, SCSI controller, NIC, virtio-serial, rng, balloon.
  assert.equal(ports.length, 26 + 8);
});

test("disks are named as the kernel names them", () => {
  assert.deepEqual(
    [0, 1, 25, 26, 27, 701, 702].map((index) => diskDevice(index)),
    ["vda", "vdb", "vdz", "vdaa", "vdab", "vdzz", "vdaaa"],
  );
});
