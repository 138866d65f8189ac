import assert from "node:assert/strict";
import { test } from "node:test";
import { clonedByLabel, cloneWishOf, linkedToLabel } from "@vivarium/api";
import type { VirtualMachineSpec, VMClone, VMCloneSpec } from "@vivarium/api";
import { targetOf } from "./clone-target.ts";
import type { CloneOrigin } from "./clone-target.ts";

function made(wanted: Partial<VMCloneSpec>, spec: VirtualMachineSpec = {}, origin: Partial<CloneOrigin> = {}) {
  const clone: VMClone = {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VMClone",
    metadata: { name: "c", namespace: "lab", uid: "c-uid" },
    spec: { source: { vmRef: { name: "web" } }, target: { name: "copy" }, ...wanted },
  };
  return targetOf(clone, cloneWishOf(clone), {
    namespace: "lab",
    spec: { classRef: { name: "small" }, imageRef: { name: "debian" }, ...spec },
    labels: { app: "web", "vivarium.dev/ordinal": "3" },
    name: "VirtualMachine/web",
    disks: ["root", "data"],
    baseUid: "base",
    provider: { namespace: "lab", name: "kvm" },
    ...origin,
  });
}

test("a clone is what its source is, from disks that its VMClone makes", () => {
  const { vm, leftOut, problems } = made({ linked: true, powerOn: true });
  assert.deepEqual(vm.metadata.labels, { app: "web", [clonedByLabel]: "c-uid", [linkedToLabel]: "base" });
  assert.deepEqual([vm.spec.classRef, vm.spec.imageRef, vm.spec.powerState], [{ name: "small" }, undefined, "On"]);
  assert.deepEqual(vm.spec.importedDisk, {
    diskID: "c-uid",
    source: "clone",
    cloneRef: { name: "c", namespace: "lab" },
  });
  assert.deepEqual([leftOut, problems], [[], []]);
});

test("addresses, Volumes and names are one machine's alone", () => {
  const { vm, leftOut } = made(
    {},
    {
      networks: [{ name: "lan", networkRef: { name: "n" }, ipAddress: "10.0.0.5", macAddress: "52:54:00:00:00:01" }],
      disks: [
        { name: "data", sizeGiB: 2 },
        { name: "shared", volumeRef: { name: "v" } },
        { name: "later", sizeGiB: 1 },
      ],
      userData: { cloudInit: { inline: "#cloud-config\nhostname: web\npackages: [nginx]\n" } },
      metaData: { cloudInit: { inline: "local-hostname: web" } },
      deletionProtection: true,
    },
  );
  assert.deepEqual(vm.spec.networks, [{ name: "lan", networkRef: { name: "n" } }]);
  assert.deepEqual(vm.spec.disks, [{ name: "data", sizeGiB: 2 }]);
  assert.match(vm.spec.userData?.cloudInit?.inline ?? "", /^#cloud-config\nhostname: copy\npackages: \[ ?nginx ?\]/);
  assert.deepEqual(vm.spec.metaData, { cloudInit: { inline: '{"local-hostname":"copy"}' } });
  assert.equal(vm.spec.deletionProtection, undefined);
  assert.equal(leftOut.length, 4);
});

test("what the clone asks for is what it gets", () => {
  const { vm, problems } = made(
    {
      target: { name: "copy", classRef: { name: "big" }, disks: [{ name: "data", sizeGiB: 9 }] },
      customization: {
        hostname: "db",
        domain: "example.org",
        timeZone: "Europe/Berlin",
        networks: [{ name: "lan", ipAddress: "10.0.0.9", subnetMask: "255.255.0.0", dns: ["1.1.1.1", "8.8.8.8"] }],
      },
    },
    { networks: [{ name: "lan" }], disks: [{ name: "data", sizeGiB: 2 }] },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual([vm.spec.classRef, vm.spec.disks], [{ name: "big" }, [{ name: "data", sizeGiB: 9 }]]);
  assert.deepEqual(vm.spec.networks, [{ name: "lan", ipAddress: "10.0.0.9", prefix: 16, dns: "1.1.1.1,8.8.8.8" }]);
  assert.match(vm.spec.userData?.cloudInit?.inline ?? "", /timezone/);
  assert.deepEqual(vm.spec.metaData, { cloudInit: { inline: '{"local-hostname":"db.example.org"}' } });
});

test("an interface that the clone has not, and a mask that is none, are problems", () => {
  const { problems } = made(
    {
      customization: { networks: [{ name: "wan" }, { name: "lan", ipAddress: "10.0.0.9", subnetMask: "255.0.255.0" }] },
    },
    { networks: [{ name: "lan" }] },
  );
  assert.equal(problems.length, 2);
});

test("in another namespace it names what the source names there, on the source's host", () => {
  const { vm, leftOut } = made(
    { target: { name: "copy", namespace: "other" } },
    { networks: [{ name: "lan", networkRef: { name: "n" } }], userData: { cloudInit: { secretRef: { name: "s" } } } },
    { host: "h1" },
  );
  assert.equal(vm.metadata.namespace, "other");
  assert.deepEqual(vm.spec.classRef, { name: "small", namespace: "lab" });
  assert.deepEqual(vm.spec.networks?.[0]?.networkRef, { name: "n", namespace: "lab" });
  assert.deepEqual([vm.spec.placement, vm.spec.userData], [{ host: "h1" }, undefined]);
  assert.match(leftOut.join(), /Secret s/);
});
