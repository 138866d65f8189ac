import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { KeyValue } from "../store.ts";
import { CurrentKeys } from "./current-keys.ts";

const valueBytes = 4096;

function kv(key: string, fill: number, length = valueBytes): KeyValue {
  return { key, value: Buffer.alloc(length, fill), createRevision: 1, modRevision: 1, version: 1 };
}

test("a key has the bytes that were put last, whatever became of others around it", () => {
  const length = fc.constantFrom(0, 10, 1000, 60_000, 300_000);
  const change = fc.record({ key: fc.constantFrom("/a", "/b", "/c", "/d"), length, isDelete: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const current = new CurrentKeys([]);
      const expected = new Map<string, Buffer>();
      const views: [Uint8Array, Buffer][] = [];
      for (const [index, { key, length: bytes, isDelete }] of changes.entries()) {
        const previous = current.get(key);
        if (isDelete && previous !== undefined) {
          current.apply({ type: "delete", revision: index, key, previous });
          expected.delete(key);
        } else {
          const next = current.keep(kv(key, index, bytes));
          current.apply({ type: "put", revision: index, key, current: next });
          expected.set(key, Buffer.alloc(bytes, index));
          views.push([next.value, Buffer.alloc(bytes, index)]);
        }
        for (const [each, bytesOf] of expected) assert.ok(bytesOf.equals(current.get(each)?.value ?? Buffer.from("?")));
      }
      for (const [view, bytes] of views) assert.ok(bytes.equals(view), "what a reader holds does not change");
      assert.deepEqual(
        current.list("/", {}).items.map((item) => item.key),
        [...expected.keys()].toSorted(),
      );
    }),
    { numRuns: 50 },
  );
});

test("what was overwritten does not hold memory", () => {
  const keys = Array.from({ length: 1000 }, (_, index) => `/${index}`);
  const current = new CurrentKeys(keys.map((key) => kv(key, 0)));
  for (let round = 1; round < 10; round++)
    for (const key of keys.filter((_, index) => index % 3 !== 0))
      current.apply({ type: "put", revision: round, key, current: current.keep(kv(key, round)) });
  const slabs = new Set(current.list("/", {}).items.map((item) => item.value.buffer));
  const heldBytes = [...slabs].reduce((sum, slab) => sum + slab.byteLength, 0);
  assert.ok(heldBytes < 3 * keys.length * valueBytes, `${heldBytes} bytes`);
});
