import assert from "node:assert/strict";
import { test } from "node:test";
import { shippedRolesNamespace, VMRole } from "@vivarium/api";
import type { VMRoleSpec } from "@vivarium/api";
import * as fc from "fast-check";
import { resolveRole } from "./resolve-role.ts";
import type { FindRole, ResolvedRole } from "./resolve-role.ts";
import { shippedRoles } from "./shipped-roles.ts";

function role(name: string, spec: VMRoleSpec, namespace = "default"): VMRole {
  return { apiVersion: "vivarium.dev/v1alpha1", kind: VMRole.kind, metadata: { name, namespace }, spec };
}

function finder(roles: readonly VMRole[]): FindRole {
  return ({ namespace, name }) =>
    roles.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
}

function resolved(wish: { name: string; image?: string }, roles: readonly VMRole[] = shippedRoles): ResolvedRole {
  const found = resolveRole({ namespace: "default", ...wish }, finder(roles));
  assert.equal(found.kind, "resolved", found.kind === "problem" ? found.message : "");
  assert.ok(found.kind === "resolved");
  return found;
}

function problem(name: string, roles: readonly VMRole[], image?: string): string {
  const wish = { name, namespace: "default", ...(image === undefined ? {} : { image }) };
  const found = resolveRole(wish, finder(roles));
  assert.equal(found.kind, "problem");
  return found.kind === "problem" ? `${found.reason}: ${found.message}` : "";
}

const rootImages = {
  images: [
    { name: "debian", distribution: "debian" as const },
    { name: "noble", distribution: "ubuntu" as const },
  ],
};

for (const { metadata } of shippedRoles) {
  for (const image of ["debian-12", "ubuntu-24.04"]) {
    test(`the shipped role ${metadata.name} stands on ${image}`, () => {
      const { images } = resolved({ name: metadata.name, image });
      assert.equal(images[0].name, image);
      assert.equal(images.at(-1)?.role, metadata.name);
      assert.equal(images.at(-1)?.spec?.distribution?.name, image.startsWith("debian") ? "debian" : "ubuntu");
    });
  }
}

test("each layer names the one below it", () => {
  const { images } = resolved({ name: "kata" });
  assert.deepEqual(
    images.map(({ role: of }) => of),
    [undefined, "base", "docker", "kata"],
  );
  for (const [index, { spec }] of images.entries()) {
    if (index > 0) assert.equal(spec?.source?.layer?.parentRef.name, images[index - 1]?.name);
  }
});

test("a role of the user's own namespace comes before one that ships", () => {
  const own = role("base", { parent: rootImages, packages: ["mine"] });
  const { images } = resolved({ name: "base" }, [...shippedRoles, own]);
  assert.deepEqual(images.map(({ name }) => name)[0], "debian");
  assert.deepEqual(images.at(-1)?.spec?.source?.layer?.packages, ["mine"]);
});

test("a changed recipe renames its layer and all above it, and none below", () => {
  const names = (packages: readonly string[]): readonly string[] =>
    resolved({ name: "top" }, [
      role("root", { parent: rootImages, packages: ["a"] }),
      role("middle", { parent: { roleRef: { name: "root" } }, packages: [...packages] }),
      role("top", { parent: { roleRef: { name: "middle" } }, packages: ["c"] }),
    ]).images.map(({ name }) => name);
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{2,6}$/), { minLength: 1, maxLength: 5 }), (packages) => {
      const [one, other] = [names(["b"]), names(packages)];
      assert.deepEqual(one.slice(0, 2), other.slice(0, 2));
      assert.notEqual(one[2], other[2]);
      assert.notEqual(one[3], other[3]);
      assert.deepEqual(names(packages.toReversed()), other);
    }),
  );
});

test("a role that adds nothing is no layer", () => {
  const { images } = resolved({ name: "big" }, [
    role("root", { parent: rootImages, packages: ["a"] }),
    role("big", { parent: { roleRef: { name: "root" } }, resources: { memory: "8Gi" } }),
  ]);
  assert.equal(images.length, 2);
});

test("what cannot be resolved says why", () => {
  assert.match(
    problem("dcker", shippedRoles),
    /^RoleNotFound: There is no VMRole "dcker".*"default" nor in "vivarium-system"/,
  );
  assert.match(
    problem("a", [role("a", { parent: { roleRef: { name: "b" } } })]),
    /^RoleNotFound: There is no VMRole "b", which VMRole "a" is built upon/,
  );
  const circle = [role("a", { parent: { roleRef: { name: "b" } } }), role("b", { parent: { roleRef: { name: "a" } } })];
  assert.match(problem("a", circle), /^InvalidRole: The roles go in a circle: a upon b upon a/);
  assert.match(problem("a", [role("a", { parent: {} })]), /exactly one of roleRef and images/);
  assert.match(
    problem("a", [role("a", { parent: rootImages })], "windows"),
    /begins with debian, noble; image "windows"/,
  );
});

test("shipped roles live in the product's own namespace", () => {
  assert.ok(shippedRoles.every(({ metadata }) => metadata.namespace === shippedRolesNamespace));
});
