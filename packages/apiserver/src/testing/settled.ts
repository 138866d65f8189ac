// Waits until what was written has come to those who follow the store inside the server.

import { setImmediate as turn } from "node:timers/promises";
import type { TestServer } from "./test-server.ts";

export async function settled({ store }: TestServer): Promise<void> {
  const end = new AbortController();
  const revision = await store.revision();
  for await (const _ of store.watch("/", { fromRevision: revision, signal: end.signal })) end.abort();
  for (let turns = 0; turns < 5; turns++) await turn();
}
