import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { VmIdentity } from "@vivarium/provider";
import {
  digest24,
  diskVolumeName,
  imageVolumeName,
  isVolumeOf,
  parseImageVolumeName,
  seedVolumeName,
  serialLogName,
} from "./names.ts";

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const identity: fc.Arbitrary<VmIdentity> = fc.record({ uid: fc.uuid(), namespace: label, name: label });
const vm: VmIdentity = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };

test("a VM's volumes carry its domain name and the first 8 digits of its uid", () => {
  assert.equal(diskVolumeName(vm, "root"), "web.0b7c6c1e.root.qcow2");
  assert.equal(seedVolumeName({ ...vm, namespace: "lab" }), "lab_web.0b7c6c1e.seed.iso");
  assert.equal(serialLogName(vm), "web.0b7c6c1e.serial.log");
});

test("volumes belong to their own VM and to no other", () => {
  fc.assert(
    fc.property(identity, identity, label, (a, b, disk) => {
      const volumes = [diskVolumeName(a, disk), seedVolumeName(a), serialLogName(a), `${serialLogName(a)}.3`];
      for (const volume of volumes) {
        assert.ok(isVolumeOf(a, volume));
        const sameVm = a.uid.slice(0, 8) === b.uid.slice(0, 8) && a.name === b.name && a.namespace === b.namespace;
        assert.equal(isVolumeOf(b, volume), sameVm);
      }
    }),
  );
});

test("files with our prefix but another form are left to others", () => {
  for (const rest of ["root.qcow2.bak", "seed.iso.old", "serial.log.x", "notes.txt", "a.b.qcow2", ".qcow2"]) {
    assert.equal(isVolumeOf(vm, `web.0b7c6c1e.${rest}`), false, rest);
  }
});

test("image names carry digest, size and format", () => {
  const image = { digest24: "a".repeat(24), sizeBytes: 123456789012, format: "raw" } as const;
  assert.deepEqual(parseImageVolumeName(imageVolumeName(image)), image);
  assert.equal(parseImageVolumeName("image-abc.qcow2"), undefined);
  assert.equal(digest24(`sha256:${"ab".repeat(32)}`), "ab".repeat(12));
  assert.throws(() => digest24("md5:00"), RangeError);
});
