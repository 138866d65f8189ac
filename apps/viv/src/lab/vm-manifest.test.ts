import assert from "node:assert/strict";
import { test } from "node:test";
import { CliUserError } from "../cli-error.ts";
import { vmManifest, type VmWishes } from "./vm-manifest.ts";

const none: VmWishes = { network: [], label: [] };
const isUsage = (error: unknown): boolean => error instanceof CliUserError && error.exit === "usage";

test("without wishes it is a small machine of the default image, of one size wherever it is applied", () => {
  assert.deepEqual(vmManifest("web", none), {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name: "web" },
    spec: {
      imageRef: { name: "debian" },
      resources: { cpu: 2, memoryMiB: 1024 },
      disks: [{ name: "root", sizeGiB: 10 }],
      powerState: "On",
    },
  });
});

test("a class gives the size, and what is said besides wins over it", () => {
  const { spec } = vmManifest("web", { ...none, class: "small", memory: "1500M" });
  assert.deepEqual(spec, {
    classRef: { name: "small" },
    imageRef: { name: "debian" },
    resources: { memoryMiB: 1431 },
    powerState: "On",
  });
});

test("a role takes the place of the image, and gives the size that nobody else gives", () => {
  const { spec } = vmManifest("web", { ...none, role: "docker", cpus: 4 }, { cpu: 2, memory: "2Gi", diskSize: "20Gi" });
  assert.deepEqual(spec, {
    roleRef: { name: "docker" },
    resources: { cpu: 4, memoryMiB: 2048 },
    disks: [{ name: "root", sizeGiB: 20 }],
    powerState: "On",
  });
  assert.throws(() => vmManifest("web", { ...none, role: "docker", image: "debian" }), isUsage);
});

test("labels, networks, user-data and power are taken over", () => {
  const wishes = { label: ["app=web", "empty="], network: ["lab", "dmz"], off: true, userData: "#cloud-config\n" };
  const { metadata, spec } = vmManifest("web", wishes);
  assert.deepEqual(metadata.labels, { app: "web", empty: "" });
  assert.deepEqual(
    spec.networks?.map(({ name, networkRef }) => [name, networkRef?.name]),
    [
      ["nic0", "lab"],
      ["nic1", "dmz"],
    ],
  );
  assert.equal(spec.userData?.cloudInit?.inline, "#cloud-config\n");
  assert.equal(spec.powerState, "Off");
});

test("what cannot be is refused as a wrong command line", () => {
  for (const name of ["", "Web", "web; reboot", "-web", "../web", "a".repeat(64), "a\nb"]) {
    assert.throws(() => vmManifest(name, none), isUsage, name);
  }
  assert.throws(() => vmManifest("web", { ...none, memory: "much" }), isUsage);
  assert.throws(() => vmManifest("web", { ...none, disk: "0" }), isUsage);
  assert.throws(() => vmManifest("web", { ...none, label: ["app"] }), isUsage);
});
