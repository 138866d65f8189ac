import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseRoleImage } from "./choose-role-image.ts";
import type { RoleImageInput } from "./choose-role-image.ts";

const missing: RoleImageInput = {
  role: "docker",
  own: [],
  images: [
    { name: "debian", isThere: true },
    { name: "base-1", isThere: true },
    { name: "docker-1", isThere: false },
  ],
  onMissing: "Build",
};

test("an image of the role's own name comes first", () => {
  const choice = chooseRoleImage({ ...missing, own: ["docker", "debian-12-docker"] });
  assert.deepEqual(choice, {
    kind: "image",
    image: "docker",
    why: 'VMImage "docker" is the own image of role "docker"',
  });
});

test("an image that is missing is built, provisioned around, or refused, as the machine says", () => {
  const built = chooseRoleImage(missing);
  assert.equal(built.kind === "image" && built.image, "docker-1");
  assert.match(built.why, /upon "base-1" upon "debian"; it is built where it is missing/);
  const provisioned = chooseRoleImage({ ...missing, onMissing: "Provision" });
  assert.equal(provisioned.kind === "provision" && provisioned.image, "debian");
  assert.match(provisioned.why, /provisioned at its first boot/);
  assert.equal(chooseRoleImage({ ...missing, onMissing: "Fail" }).kind, "none");
});

test("one that is there is taken, whatever the machine says of missing ones", () => {
  const images = missing.images.map(({ name }) => ({ name, isThere: true }));
  for (const onMissing of ["Build", "Provision", "Fail"] as const) {
    const choice = chooseRoleImage({ ...missing, images, onMissing });
    assert.equal(choice.kind === "image" && choice.image, "docker-1");
  }
});

test("a role that adds nothing is its plain image", () => {
  const choice = chooseRoleImage({ ...missing, images: missing.images.slice(0, 1) });
  assert.equal(choice.kind === "image" && choice.image, "debian");
});
