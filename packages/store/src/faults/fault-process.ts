// A process that the fault test kills and pauses: several clients of one store at once, with watchers fast and slow, and the recorder.
// It takes `compact REVISION` and `stop` on its standard input.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { openEtcdStore } from "../etcd/open-etcd-store.ts";
import { openSqliteStore } from "../sqlite/sqlite-store.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import type { Store, StoreEvent } from "../store.ts";
import { seededRandom } from "./seeded-random.ts";
import { recorderId, type OperationKind, type Report, type SeenEvent } from "./report.ts";

export interface FaultProcessOptions {
  readonly store: { readonly path: string } | { readonly endpoint: string; readonly prefix: string };
  /** Different for every life of every process. */
  readonly name: string;
  readonly seed: number;
  readonly clients: number;
  readonly recordFrom?: number;
}

const options = JSON.parse(process.argv[2] ?? "") as FaultProcessOptions;
const random = seededRandom(options.seed);
const keys = ["/a/1", "/a/2", "/b/1", "/b/2", "/c/1"];
const store: Store =
  "path" in options.store
    ? openSqliteStore({ path: options.store.path })
    : await openEtcdStore({
        endpoints: [options.store.endpoint],
        prefix: options.store.prefix,
        compactionIntervalMs: 0,
        requestTimeoutMs: 2_000,
      });
const stopping = new AbortController();
const ending = new AbortController();
let count = 0;

function report(line: Report): void {
  // A pipe that is full takes a part, or nothing for now.
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let from = 0; from < bytes.length;) {
    try {
      from += writeSync(1, bytes, from);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

const now = (): number => Number(process.hrtime.bigint());
const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;

async function client(): Promise<void> {
  while (!stopping.signal.aborted) {
    const id = `${options.name}-${++count}`;
    try {
      await operate(id, pick<OperationKind>(["put", "put", "put", "delete", "get", "list"]), pick(keys));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      report({ type: error.code === "uncertain" ? "uncertain" : "failed", id });
      await delay(10);
    }
  }
}

async function operate(id: string, kind: OperationKind, key: string): Promise<void> {
  const guess = random();
  const condition = guess < 0.3 ? {} : { expected: guess < 0.9 ? ((await store.get(key))?.modRevision ?? 0) : 0 };
  const value = id;
  report({
    type: "invoke",
    id,
    at: now(),
    kind,
    key,
    ...(kind === "put" && { value }),
    ...(isWrite(kind) && condition),
  });
  switch (kind) {
    case "put": {
      const result = await store.put(key, new TextEncoder().encode(value), condition);
      const revision = result.current?.modRevision ?? 0;
      report({ type: result.written ? "written" : "found", id, at: now(), revision });
      return;
    }
    case "delete": {
      const result = await store.delete(key, condition);
      if (result.deleted) report({ type: "written", id, at: now(), revision: result.revision });
      else report({ type: "found", id, at: now(), revision: result.current?.modRevision ?? 0 });
      return;
    }
    case "get": {
      const revision = (await store.get(key))?.modRevision ?? 0;
      report({ type: "found", id, at: now(), revision });
      return;
    }
    case "list": {
      const page = await store.list("/");
      const items = page.items.map((item) => [item.key, item.modRevision] as const);
      report({ type: "listed", id, at: now(), revision: page.revision, items });
      return;
    }
  }
}

function isWrite(kind: OperationKind): boolean {
  return kind === "put" || kind === "delete";
}

/** Watches from somewhere for a while, at its own pace; then another one begins. */
async function watcher(): Promise<void> {
  while (!stopping.signal.aborted) {
    const id = `${options.name}-watch-${++count}`;
    const prefix = pick(["/", "/a/", "/b/1"]);
    try {
      const from = Math.max(1, (await store.revision()) - Math.floor(random() * pick([20, 400, 6_000])));
      const end = new AbortController();
      const signal = AbortSignal.any([end.signal, ending.signal]);
      report({ type: "watch", id, prefix, from });
      let batches = 3 + Math.floor(random() * 30);
      const pauseMs = pick([0, 0, 5, 40]);
      await follow(id, { prefix, from, signal }, async () => {
        if (--batches === 0) end.abort();
        if (pauseMs > 0) await delay(pauseMs);
      });
    } catch (error) {
      if (error instanceof CompactedError) report({ type: "compacted", id });
      else if (!(error instanceof StoreError)) throw error;
    }
    await delay(5);
  }
}

async function follow(
  id: string,
  watch: { readonly prefix: string; readonly from: number; readonly signal: AbortSignal },
  afterBatch: () => Promise<void>,
): Promise<void> {
  const changes = store.watch(watch.prefix, { fromRevision: watch.from, signal: watch.signal });
  for await (const batch of changes) {
    report({ type: "seen", id, events: batch.map(toSeen), bookmark: changes.revision });
    await afterBatch();
  }
}

function toSeen(event: StoreEvent): SeenEvent {
  const { revision, key, previous } = event;
  const value = event.type === "put" ? new TextDecoder().decode(event.current.value) : undefined;
  return { revision, key, previous: previous?.modRevision ?? 0, ...(value !== undefined && { value }) };
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, revision] = line.split(" ");
  if (command === "stop") stopping.abort();
  else
    void store.compact(Number(revision)).catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
    });
});

const recording =
  options.recordFrom === undefined
    ? undefined
    : follow(recorderId, { prefix: "/", from: options.recordFrom, signal: ending.signal }, async () => undefined);
const watching = options.clients === 0 ? [] : [watcher(), watcher(), watcher()];
report({ type: "ready" });
if (!stopping.signal.aborted) await Promise.all(Array.from({ length: options.clients }, () => client()));
if (options.clients === 0 && !stopping.signal.aborted)
  await new Promise((resolve) => stopping.signal.addEventListener("abort", resolve, { once: true }));
// The recorder sees what was written last.
await delay(300);
ending.abort();
await Promise.all([recording, ...watching]);
await store.close();
process.exit(0);
