// The process that the durability test kills: writes growing numbers to ten keys, many at once, and tells each one that was answered.

import { writeSync } from "node:fs";
import { openSqliteStore } from "./sqlite-store.ts";

const [path = "", round = "0"] = process.argv.slice(2);
const store = openSqliteStore({ path });
const start = Number(round) * 1_000_000;

async function writer(key: string): Promise<never> {
  for (let count = 1; ; count++) {
    const value = String(start + count);
    await store.put(key, new TextEncoder().encode(value));
    writeSync(1, `${key} ${value}\n`);
  }
}

await Promise.all(Array.from({ length: 10 }, (_, index) => writer(`/key/${index}`)));
