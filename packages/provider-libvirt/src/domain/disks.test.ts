import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiskDefinition, VmDefinition } from "@vivarium/provider";
import * as fc from "fast-check";
import { buildDomainXml } from "./build.ts";
import { nameOfDisk } from "./disks.ts";
import { parseDomainXml } from "./view.ts";
import type { DomainView } from "./view.ts";

const vm = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };

function domainWith(disks: readonly DiskDefinition[], known?: DomainView): DomainView {
  const definition: VmDefinition = {
    identity: vm,
    cpus: 1,
    memoryBytes: 2 ** 30,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "root" }, ...disks],
    networks: [],
  };
  const place = {
    acceleration: "tcg",
    host: { memoryBytes: 2 ** 36, maxVcpus: 64, cpuMhz: 2500 },
    poolPath: "/pool",
    ...(known === undefined ? {} : { known: known.disks }),
  } as const;
  return parseDomainXml(buildDomainXml(definition, place));
}

function targetsOf(view: DomainView): Readonly<Record<string, string>> {
  return Object.fromEntries(view.disks.map((disk) => [nameOfDisk(vm, disk) ?? "seed", disk.target]));
}

test("each bus counts for itself, and the seed is in nobody's way", () => {
  const view = domainWith([{ name: "a" }, { name: "b", bus: "scsi" }, { name: "c" }]);
  assert.deepEqual(targetsOf(view), { root: "vda", a: "vdb", b: "sda", c: "vdc", seed: "vdz" });
});

test("a disk keeps its target, whatever is added and removed beside it", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"));
  fc.assert(
    fc.property(names, names, (first, second) => {
      const before = domainWith(first.map((name) => ({ name })));
      const after = domainWith(
        second.map((name) => ({ name })),
        before,
      );
      const [was, is] = [targetsOf(before), targetsOf(after)];
      for (const name of second.filter((each) => first.includes(each))) assert.equal(is[name], was[name]);
      assert.equal(new Set(Object.values(is)).size, second.length + 2);
    }),
  );
});

test("limits are written and read back", () => {
  const limits = { totalIops: 100, readBytes: 2 ** 20 };
  const view = domainWith([{ name: "a", limits }]);
  assert.deepEqual(view.disks[1]?.limits, limits);
  assert.deepEqual(view.disks[0]?.limits, {});
});

test("a disk that was defined before disks had aliases is known by its file", () => {
  const disk = { alias: undefined, target: "vdb", bus: "virtio", limits: {}, address: undefined, isReadOnly: false };
  assert.equal(nameOfDisk(vm, { ...disk, format: "qcow2", source: "/pool/web.0b7c6c1e.data.qcow2" }), "data");
  assert.equal(nameOfDisk(vm, { ...disk, format: "qcow2", source: "/elsewhere/other.qcow2" }), undefined);
});
