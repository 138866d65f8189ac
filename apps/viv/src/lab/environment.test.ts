import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualMachine, VMGroup } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { environmentManifests, shippedEnvironments } from "./environment.ts";

for (const { name, description } of shippedEnvironments()) {
  test(`environment ${name} says what it is, and can be had under another name`, () => {
    assert.match(description, /^\S.{5,}/);
    const objects = environmentManifests(name, "mine").map(({ object }) => object);
    assert.ok(!JSON.stringify(objects).includes(`"${name}`), "its own name is left somewhere");
    const names = objects.filter(({ kind }) => kind === VirtualMachine.kind).map(({ metadata }) => metadata.name);
    const group = objects.find((each): each is VMGroup => each.kind === VMGroup.kind);
    assert.equal(group?.metadata.name, "mine");
    assert.deepEqual(group.spec.members?.map((member) => member.name).toSorted(), names.toSorted());
    for (const needed of group.spec.members?.flatMap(({ dependsOn = [] }) => dependsOn) ?? []) {
      assert.ok(names.includes(needed), needed);
    }
    assert.equal(group.spec.operation?.action, "Start");
  });
}

test("what is ready-made includes a cluster of three", () => {
  const kinds = environmentManifests("k8s-cluster", "k8s-cluster").map(({ kind }) => kind.kind);
  assert.equal(kinds.filter((kind) => kind === VirtualMachine.kind).length, 3);
});

test("one that does not exist is told with those that do", () => {
  assert.throws(
    () => environmentManifests("../quickstart", "mine"),
    (error) => error instanceof CliUserError && /dev-vm, k8s-cluster/.test(error.fix.join()),
  );
});
