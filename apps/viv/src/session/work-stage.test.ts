import assert from "node:assert/strict";
import { test } from "node:test";
import { workStage } from "./work-stage.ts";

test("the phase, how much is done, how long it takes yet, and what goes on", () => {
  const state = { phase: "Transferring", message: "The disks are copied", percentage: 40, eta: "2m" };
  assert.equal(workStage(state), "Transferring 40 %, 2m left: The disks are copied");
});

test("of what nobody has looked at yet", () => {
  assert.equal(workStage({}), "Pending");
});

test("of what is ready the phase says all", () => {
  assert.equal(workStage({ phase: "Ready", message: "Machines can be made of it" }), "Ready");
});
