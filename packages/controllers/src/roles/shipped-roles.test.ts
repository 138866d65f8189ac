import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { resolveRole } from "./resolve-role.ts";
import { shippedRoles } from "./shipped-roles.ts";

for (const { metadata } of shippedRoles) {
  for (const image of ["debian-12", "ubuntu-24.04"]) {
    const resolved = resolveRole({ name: metadata.name, namespace: "default", image }, ({ name }) =>
      shippedRoles.find((role) => role.metadata.name === name),
    );
    assert.ok(resolved.kind === "resolved");
    const { commands = [], verify = [] } = resolved.recipe;

    test(`${metadata.name} upon ${image}: its commands are shell scripts, and something is proved`, () => {
      for (const input of [...commands, ...verify]) {
        const { status, stderr } = spawnSync("sh", ["-n"], { input, encoding: "utf8" });
        assert.equal(status, 0, `${stderr}\n${input}`);
      }
      assert.ok(verify.length > 0);
    });
  }
}

test("no container is told to run in Kata by a Docker that knows only runc", () => {
  const kata = shippedRoles.find(({ metadata }) => metadata.name === "kata");
  const ofAll = JSON.stringify([kata?.spec.files, kata?.spec.commands, kata?.spec.verify]);
  assert.doesNotMatch(ofAll, /runtimes|--runtime/);
});
