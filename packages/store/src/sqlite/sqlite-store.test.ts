import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { bytes, storeConformance, text } from "../store-conformance.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const directory = await mkdtemp(join(tmpdir(), "vivarium-store-"));
after(() => rm(directory, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => join(directory, `${++files}.db`);

storeConformance("sqlite", async () => openSqliteStore({ path: newPath() }));

describe("sqlite: the file", () => {
  it("keeps objects, revisions and history over a restart", async () => {
    const path = newPath();
    const first = openSqliteStore({ path });
    await first.put("/a", bytes("1"));
    await first.put("/a", bytes("2"));
    await first.delete("/a");
    await first.put("/b", bytes("1"));
    await first.compact(1);
    await first.close();
    const second = openSqliteStore({ path });
    assert.equal(await second.revision(), 4);
    assert.deepEqual(
      (await second.list("/", { revision: 2 })).items.map((item) => [item.key, text(item.value)]),
      [["/a", "2"]],
    );
    await assert.rejects(second.list("/", { revision: 0 }));
    assert.equal((await second.put("/c", bytes("1"))).current?.modRevision, 5);
    await second.close();
  });

  it("refuses a file that is not a store", async () => {
    const path = newPath();
    const { DatabaseSync } = await import("node:sqlite");
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE t (x)");
    other.close();
    assert.throws(
      () => openSqliteStore({ path }),
      (error) => error instanceof StoreError && error.code === "corrupt",
    );
  });

  it("compacts by itself, after writes only, and keeps the newest revisions", async () => {
    let now = 0;
    const retention = { minRevisions: 100, minAgeMs: 1000, maxRevisions: 500, now: () => now };
    const store = openSqliteStore({ path: newPath(), retention });
    await Promise.all(Array.from({ length: 300 }, (_, index) => store.put("/a", bytes(String(index)))));
    assert.equal((await store.list("/", { revision: 1 })).items.length, 1, "young history stays");
    now = 20_000;
    await store.put("/a", bytes("x"));
    now = 40_000;
    for (let index = 0; index < 10; index++) await store.put("/a", bytes("y"));
    const newest = await store.revision();
    await assert.rejects(store.list("/", { revision: newest - 150 }));
    assert.equal((await store.list("/", { revision: newest - 100 })).items.length, 1);
    for (let round = 0; round < 20; round++)
      await Promise.all(Array.from({ length: 50 }, () => store.put("/a", bytes("z"))));
    await assert.rejects(
      store.list("/", { revision: (await store.revision()) - 600 }),
      CompactedError,
      "bounded by number",
    );
    await store.close();
  });
});
