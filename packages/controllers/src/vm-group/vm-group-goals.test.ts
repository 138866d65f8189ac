import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { machine } from "../testing/controllers-lab.ts";
import { startGoal } from "./vm-group-goals.ts";

function waitingFor(reason: string, observedGeneration: number): VirtualMachine {
  const vm = machine("web", { imageRef: { name: "v1" }, powerState: "On" });
  const ready = { type: "Ready", status: "False" as const, reason, message: "why", lastTransitionTime: "" };
  return {
    ...vm,
    metadata: { ...vm.metadata, generation: 2 },
    status: { phase: "Pending", observedGeneration, conditions: [ready] },
  };
}

test("a machine whose image cannot be prepared will not start, and says why", () => {
  const goal = startGoal(waitingFor("ImageFailed", 2), "Ready");
  assert.deepEqual(goal, { kind: "impossible", message: "Pending: why" });
});

test("one whose image is on its way, or that was not looked at since, is waited for", () => {
  assert.equal(startGoal(waitingFor("ImageNotReady", 2), "Ready").kind, "open");
  assert.equal(startGoal(waitingFor("ImageFailed", 1), "Ready").kind, "open");
});
