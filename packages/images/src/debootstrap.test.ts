import assert from "node:assert/strict";
import { it } from "node:test";
import { debootstrapHostPackages } from "./debootstrap-build.ts";
import { BuildProgress } from "./debootstrap-progress.ts";
import { debianRecipe } from "./debootstrap-recipe.ts";
import { ImageError } from "./image-source.ts";

const source = { kind: "debootstrap", suite: "bookworm", packages: ["nginx", "curl"], diskBytes: 4 * 2 ** 30 } as const;

it("the same recipe has the same key, in whatever order packages are given", async () => {
  const { key } = await debianRecipe(source);
  assert.equal((await debianRecipe({ ...source, packages: ["curl", "nginx", "curl"] })).key, key);
});

it("suite, packages and size each make another image", async () => {
  const sources = [
    source,
    { ...source, suite: "trixie" },
    { ...source, packages: ["curl"] },
    { ...source, diskBytes: 5 * 2 ** 30 },
  ];
  const keys = await Promise.all(sources.map(async (each) => (await debianRecipe(each)).key));
  assert.equal(new Set(keys).size, sources.length);
});

it("what could be read as an option or a path is refused before anything runs", async () => {
  for (const bad of [
    { suite: "../etc" },
    { suite: "--help" },
    { packages: ["a,b"] },
    { packages: ["-o"] },
    { packages: ["x;y"] },
    { diskBytes: 1000 },
    { diskBytes: 2 ** 31 + 1 },
  ]) {
    await assert.rejects(debianRecipe({ ...source, ...bad }), (error) => {
      assert.ok(error instanceof ImageError);
      assert.equal(error.code, "Unsupported");
      return true;
    });
  }
});

it("progress counts packages over all runs of apt", () => {
  const progress = new BuildProgress();
  assert.equal(progress.message, "fetching package lists");
  assert.equal(progress.read("0 upgraded, 69 newly installed, 0 to remove and 0 not upgraded."), true);
  assert.equal(progress.message, "fetching 69 packages");
  assert.equal(progress.read("Unpacking mawk (1.3) ..."), false);
  for (let n = 0; n < 69; n += 1) progress.read("Setting up mawk (1.3) ...");
  progress.read("0 upgraded, 145 newly installed, 0 to remove and 0 not upgraded.");
  progress.read("Setting up systemd (252) ...");
  assert.equal(progress.message, "installing packages, 70 of 214 set up");
});

it("the packages that a host needs are named", () => {
  for (const name of ["mmdebstrap", "grub-pc-bin", "qemu-utils", "e2fsprogs"]) {
    assert.ok(debootstrapHostPackages.includes(name), name);
  }
});
