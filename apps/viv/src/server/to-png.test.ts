import assert from "node:assert/strict";
import { test } from "node:test";
import { PNG } from "pngjs";
import { toPng } from "./to-png.ts";

test("a pixmap has the same pixels as PNG", async () => {
  const rgb = Uint8Array.from({ length: 3 * 2 * 3 }, (_, index) => index * 10);
  const bytes = Buffer.concat([Buffer.from("P6\n3 2\n255\n"), rgb]);
  const png = PNG.sync.read(Buffer.from(await toPng({ mediaType: "image/x-portable-pixmap", bytes })));
  assert.deepEqual([png.width, png.height], [3, 2]);
  const pixels = [...png.data].filter((_, index) => index % 4 !== 3);
  assert.deepEqual(pixels, [...rgb]);
});

test("what is PNG stays as it is", async () => {
  const bytes = Buffer.from("\u0089PNG", "latin1");
  assert.equal(await toPng({ mediaType: "image/png", bytes }), bytes);
});
