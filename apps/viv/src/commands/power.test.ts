import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualMachine } from "@vivarium/api";
import { stopWish } from "./power.ts";

const isFulfilled = (machine: VirtualMachine) => stopWish(false)().isFulfilled(machine);

function vm(status?: VirtualMachine["status"]): VirtualMachine {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: VirtualMachine.kind,
    metadata: { name: "web", generation: 2 },
    spec: {},
    ...(status === undefined ? {} : { status }),
  };
}

test("a VM is stopped when the controller says so of the spec as it is now", () => {
  assert.equal(isFulfilled(vm({ id: "u", phase: "Stopped", observedGeneration: 2 })), true);
  assert.equal(isFulfilled(vm({ id: "u", phase: "Stopped", observedGeneration: 1 })), false);
  assert.equal(isFulfilled(vm({ id: "u", phase: "Running", observedGeneration: 2 })), false);
});

test("a VM of which nothing was made yet is stopped as soon as the controller has seen the wish", () => {
  assert.equal(isFulfilled(vm({ phase: "Pending", observedGeneration: 2 })), true);
  assert.equal(isFulfilled(vm({ phase: "Pending", observedGeneration: 1 })), false);
  assert.equal(isFulfilled(vm()), false);
});
