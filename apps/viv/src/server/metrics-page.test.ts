import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { VivProcess } from "../testing/viv-process.ts";

const page = new URL("../../../../docs/reference/metrics.md", import.meta.url);

test("the page of metrics names what the server gives, no more and no less", async (t) => {
  const viv = new VivProcess();
  t.after(() => viv[Symbol.asyncDispose]());
  await viv.start();
  const client = await viv.client();
  const { body } = await client.send({
    method: "GET",
    path: "/metrics",
    query: new URLSearchParams(),
    headers: {},
    body: new Uint8Array(),
  });
  const stdout = body instanceof Uint8Array ? Buffer.from(body).toString() : await text(body);
  await client.close();
  const given = [...stdout.matchAll(/^# TYPE (virtrigaud_\S+) /gm)].map(([, name = ""]) => name);
  const told = [...(await readFile(page, "utf8")).matchAll(/^\| `(virtrigaud_\S+)` /gm)].map(([, name = ""]) => name);
  assert.deepEqual(new Set(told), new Set(given));
});
