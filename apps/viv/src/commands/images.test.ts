import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageBuild, VirtualMachine, VMImage } from "@vivarium/api";
import type { VMImageSpec } from "@vivarium/api";
import { imagesTable, usersOf } from "./images.ts";

function image(name: string, spec: VMImageSpec): VMImage {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: VMImage.kind,
    metadata: { name, namespace: "default", creationTimestamp: "2026-01-02T03:04:05Z" },
    spec,
  };
}

const plain = image("debian-12", { source: { debootstrap: {} } });
const layer = image("docker-1", { source: { layer: { parentRef: { name: "debian-12" }, role: "docker" } } });
const vm: VirtualMachine = {
  apiVersion: "infra.virtrigaud.io/v1beta1",
  kind: VirtualMachine.kind,
  metadata: { name: "web", namespace: "default" },
  spec: { imageRef: { name: "docker-1" } },
};
const build: ImageBuild = {
  apiVersion: "vivarium.dev/v1alpha1",
  kind: ImageBuild.kind,
  metadata: { name: "b", namespace: "default" },
  spec: { imageRef: { name: "docker-1" } },
  status: { image: "docker-1", phase: "Building" },
};
const objects = { images: [plain, layer], machines: [vm], builds: [build] };

test("an image is used by machines, by layers upon it, and by builds of it that go on", () => {
  assert.deepEqual(usersOf(plain, objects), ["image/docker-1"]);
  assert.deepEqual(usersOf(layer, objects), ["vm/web", "build/b"]);
  const elsewhere = { ...vm, metadata: { ...vm.metadata, namespace: "other" } };
  const ended = { ...build, status: { ...build.status, finishedAt: "2026-01-02T03:04:05Z" } };
  assert.deepEqual(usersOf(layer, { ...objects, machines: [elsewhere], builds: [ended] }), []);
});

test("the table says what each image is", () => {
  const text = imagesTable([plain, layer], (each) => usersOf(each, objects), false);
  assert.match(text, /^NAME +ROLE +SOURCE +PARENT +CREATED/);
  assert.match(text, /docker-1 +docker +layer +debian-12 +2026-01-02 03:04 .*vm\/web,build\/b/);
});

test("the table says what was found when an image was last read: the worst of all providers", () => {
  const time = "2026-01-02T03:04:05Z";
  const verification = {
    one: { outcome: "Intact" as const, message: "fine", time },
    two: { outcome: "Damaged" as const, message: "rot", time },
  };
  const read = { ...plain, status: { verification } };
  assert.match(
    imagesTable([read], () => [], false),
    / Damaged 2026-01-02 03:04 /,
  );
  assert.match(
    imagesTable([plain], () => [], false),
    /Pending +- +-/,
  );
});
