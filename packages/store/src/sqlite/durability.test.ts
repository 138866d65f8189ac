// A write that was answered is there after kill -9; one that was not is either there as a whole or not at all.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { text } from "../store-conformance.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const rounds = 8;

test("answered writes survive kill -9 at any moment", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-durability-"));
  const path = join(directory, "store.db");
  const answered = new Map<string, string>();
  try {
    for (let round = 0; round < rounds; round++) {
      const killAfter = 20 + round * 37;
      const child = spawn(
        process.execPath,
        [fileURLToPath(import.meta.resolve("./durability-writer.ts")), path, String(round)],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let lines = 0;
      // Killed with answers still in the pipe: those count, they were given.
      for await (const line of createInterface({ input: child.stdout })) {
        const [key = "", value = ""] = line.split(" ");
        answered.set(key, value);
        if (++lines === killAfter) child.kill("SIGKILL");
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await check(path, answered);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

async function check(path: string, answered: ReadonlyMap<string, string>): Promise<void> {
  const store = openSqliteStore({ path });
  for (const [key, value] of answered) {
    const found = Number(text((await store.get(key))?.value));
    assert.ok(found >= Number(value), `${key} was answered as ${value}, found ${found}`);
  }
  const newest = await store.revision();
  const end = new AbortController();
  let next = 1;
  for await (const batch of store.watch("/", { fromRevision: 1, signal: end.signal })) {
    for (const event of batch) assert.equal(event.revision, next++, "no holes");
    if (next > newest) end.abort();
  }
  const page = await store.list("/");
  for (const item of page.items) assert.ok(item.modRevision <= newest);
  await store.close();
}
