import assert from "node:assert/strict";
import { test } from "node:test";
import { TestTally } from "./test-tally.ts";

const file = "packages/a/src/a.test.ts";

function report(
  name: string,
  marks: { type?: string; skip?: string | boolean; todo?: string; failureType?: string } = {},
) {
  const { type = "test", failureType, ...rest } = marks;
  const error = Object.assign(new Error("failed"), { failureType });
  return { name, nesting: 0, ...rest, details: { type, error } };
}

test("passes and failures of tests count, suites do not", () => {
  const tally = new TestTally();
  tally.addPass(file, report("a"));
  tally.addPass(file, report("group", { type: "suite" }));
  tally.addFail(file, report("b"));
  tally.addFail(file, report("group", { type: "suite", failureType: "subtestsFailed" }));
  assert.deepEqual([tally.passed, tally.failed.length, tally.skipped.length], [1, 1, 0]);
});

test("a suite whose hook fails is a failure", () => {
  const tally = new TestTally();
  tally.addFail(file, report("group", { type: "suite", failureType: "hookFailed" }));
  assert.deepEqual(tally.failed, [{ file, name: "group", message: "failed" }]);
});

test("a failure says what the test threw, not what the runner made of it", () => {
  const tally = new TestTally();
  const error = new Error("test failed", { cause: new Error("no lease within 90 s") });
  tally.addFail(file, { name: "a", nesting: 0, details: { type: "test", error } });
  assert.deepEqual(tally.failed, [{ file, name: "a", message: "no lease within 90 s" }]);
});

test("a skipped test is not a passed one, and keeps its reason", () => {
  const tally = new TestTally();
  tally.addPass(file, report("a", { skip: "no libvirtd" }));
  tally.addPass(file, report("b", { skip: true }));
  tally.addFail(file, report("c", { todo: "" }));
  tally.addPass(file, report("group", { type: "suite", skip: "no kubectl" }));
  assert.equal(tally.passed, 0);
  assert.deepEqual(
    tally.skipped.map((each) => each.reason),
    ["no libvirtd", "no reason given", "no reason given", "no kubectl"],
  );
});

test("a file without tests is a failure, and so is one that ends badly", () => {
  const tally = new TestTally();
  tally.addPass(file, report(file));
  tally.addFail(file, report(file));
  assert.deepEqual(
    tally.failed.map((each) => `${each.name}: ${each.message}`),
    ["the file as a whole: has no tests", "the file as a whole: failed"],
  );
});
