import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FileParts } from "./file-parts.ts";
import { sparseParts } from "./sparse-parts.ts";

const kib64 = 65_536;

test("the parts are the same bytes, no part is empty, and no two holes touch", async () => {
  const chunk = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 3 * kib64 })), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 4 }), async (plan) => {
      const chunks = plan.map((runs) =>
        Buffer.concat(runs.map(([isZero, length]) => Buffer.alloc(length, isZero ? 0 : 7))),
      );
      async function* source(): AsyncGenerator<Uint8Array> {
        yield* chunks;
      }
      const joined: Uint8Array[] = [];
      let wasHole = false;
      for await (const part of sparseParts(source())) {
        const isHole = !(part instanceof Uint8Array);
        assert.ok(isHole ? part.holeBytes > 0 && !wasHole : part.length > 0);
        wasHole = isHole;
        joined.push(isHole ? Buffer.alloc(part.holeBytes) : part);
      }
      assert.ok(Buffer.concat(joined).equals(Buffer.concat(chunks)));
    }),
    { numRuns: 60 },
  );
});

test("a source whose buffers are used again is no source of it", () => {
  // @ts-expect-error -- what was given last would change while the next data is looked for
  assert.ok(sparseParts(new FileParts("/none")));
});
