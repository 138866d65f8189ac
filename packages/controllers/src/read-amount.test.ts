import assert from "node:assert/strict";
import { test } from "node:test";
import { readAmount } from "./read-amount.ts";

const field = "spec.size";

test("an amount is a quantity above nothing", () => {
  assert.deepEqual(readAmount("4Gi", { field }), { ok: true, value: 4 * 2 ** 30 });
  assert.deepEqual(readAmount(1, { field }), { ok: true, value: 1 });
});

test("nothing is an amount only where it may be", () => {
  assert.deepEqual(readAmount("0", { field, mayBeNothing: true }), { ok: true, value: 0 });
  const message = 'spec.size is "0", expected more than nothing';
  assert.deepEqual(readAmount("0", { field }), { ok: false, message });
});

test("less than nothing is never an amount", () => {
  const message = 'spec.size is "-1Gi", expected nothing or more';
  assert.deepEqual(readAmount("-1Gi", { field, mayBeNothing: true }), { ok: false, message });
});

test("what is no quantity is told with the field that says it", () => {
  const message = 'spec.size: Cannot read quantity "much": expected a number with an optional unit, such as 4Gi';
  assert.deepEqual(readAmount("much", { field }), { ok: false, message });
});
