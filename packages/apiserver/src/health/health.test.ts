import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import { openTestServer, shown } from "../testing/test-server.ts";

test("each check can be seen, asked alone and left out", async () => {
  const { call } = await openTestServer();
  const text = async (path: string) => {
    const { status, body } = await call("GET", path);
    return [status, shown(body["text"])];
  };
  for (const path of ["/livez", "/readyz", "/healthz", "/readyz/store", "/livez/ping"])
    assert.deepEqual(await text(path), [200, "ok"], path);
  assert.deepEqual(await text("/readyz?verbose"), [
    200,
    "[+]ping ok\n[+]store ok\n[+]shutdown ok\nreadyz check passed\n",
  ]);
  assert.deepEqual(await text("/readyz?verbose&exclude=store"), [
    200,
    "[+]ping ok\n[+]store excluded: ok\n[+]shutdown ok\nreadyz check passed\n",
  ]);
  assert.equal((await call("GET", "/readyz/other")).status, 404);
});

test("a server whose store is gone lives, but is not ready", async () => {
  const store = openMemoryStore();
  const { call, server } = await openTestServer({ store });
  await server.close();
  await store.close();
  assert.equal((await call("GET", "/livez")).status, 200);
  const { status, body } = await call("GET", "/readyz");
  assert.equal(status, 500);
  assert.equal(
    shown(body["text"]),
    "[+]ping ok\n[-]store failed: reason withheld\n[-]shutdown failed: reason withheld\nreadyz check failed\n",
  );
});
