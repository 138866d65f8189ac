import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as assertAll, json as anyJson, property } from "fast-check";
import { copyJson, isSameJson } from "./json-value.ts";

/** As it comes from a request: own fields of any name. */
const json = anyJson().map((text): unknown => JSON.parse(text));

test("a copy is the same and shares nothing", () => {
  assertAll(
    property(json, (value) => {
      const copy = copyJson(value);
      assert.deepEqual(copy, value);
      assert.equal(JSON.stringify(copy), JSON.stringify(value));
      const seen = new Set<object>();
      visit(value, (each) => seen.add(each));
      visit(copy, (each) => assert.ok(!seen.has(each)));
    }),
  );
});

test("a field named __proto__ is copied as a field", () => {
  const value = JSON.parse('{"__proto__": {"a": 1}, "b": {"__proto__": 2}}') as object;
  const copy = copyJson(value);
  assert.equal(JSON.stringify(copy), JSON.stringify(value));
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  assert.ok(isSameJson(copy, value));
  assert.ok(!isSameJson({ b: { ["__proto__"]: 2 } }, value));
});

test("two are the same exactly when their JSON is, but for the order of fields", () => {
  assertAll(
    property(json, json, (one, other) => {
      assert.equal(isSameJson(one, other), JSON.stringify(sorted(one)) === JSON.stringify(sorted(other)));
      assert.ok(isSameJson(one, sorted(one)));
    }),
  );
});

test("what is undefined does not exist", () => {
  assert.ok(isSameJson({ a: 1, b: undefined }, { a: 1 }));
  assert.ok(isSameJson({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!isSameJson({ a: 1, b: null }, { a: 1 }));
  assert.ok(!isSameJson({ a: 1 }, { a: 1, b: null }));
  assert.ok(!isSameJson({}, []));
  assert.ok(!isSameJson({ toString: undefined, a: 1 }, { a: 2 }));
  assert.ok(!isSameJson({ toString: {} }, {}));
});

function visit(value: unknown, tell: (each: object) => void): void {
  if (typeof value !== "object" || value === null) return;
  tell(value);
  for (const child of Object.values(value)) visit(child, tell);
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, child]) => [name, sorted(child)]));
}
