import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FileParts } from "./file-parts.ts";

const mib = 2 ** 20;

test("all bytes of a file come in order, each part good while the next one is read", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "vivarium-file-parts-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const size of [0, 1, mib - 1, mib, mib + 1, 5 * mib + 7]) {
    const bytes = randomBytes(size);
    const path = join(folder, String(size));
    await writeFile(path, bytes);
    const parts = new FileParts(path)[Symbol.asyncIterator]();
    const read: Buffer[] = [];
    // As an upload does: the next one is asked for before this one is sent.
    let ahead = parts.next();
    for (;;) {
      const { value } = await ahead;
      if (value === undefined) break;
      ahead = parts.next();
      await ahead;
      read.push(Buffer.from(value));
    }
    assert.ok(Buffer.concat(read).equals(bytes), `${size} bytes`);
  }
});

test("a file that is not there is the error of opening it", async () => {
  await assert.rejects(new FileParts("/nonexistent/file")[Symbol.asyncIterator]().next(), { code: "ENOENT" });
});
