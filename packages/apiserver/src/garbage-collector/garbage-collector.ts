// Deletes what nobody owns any more, and ends foreground and orphaning deletions. One watch of the whole store feeds it, so kinds that appear at
// run time need nothing; what it misses while it does not run it finds again when it starts and reads everything once.

import { isStatus } from "@vivarium/api";
import { CompactedError } from "@vivarium/store";
import { registryPrefix } from "../stored-place.ts";
import { KeyQueue } from "../tasks/key-queue.ts";
import { OwnApi } from "../tasks/own-api.ts";
import { pause } from "../tasks/pause.ts";
import type { ServerTask, TaskContext } from "../tasks/server-task.ts";
import { collectDependent, type Collector } from "./collect-dependent.ts";
import { UnknownOwnerKindError } from "./find-owner.ts";
import { OwnerGraph, type Affected } from "./owner-graph.ts";
import { releaseOwner } from "./release-owner.ts";

const pageSize = 500;
const concurrency = 8;
const restartMs = 1000;

export const garbageCollector: ServerTask = {
  name: "garbage-collector",
  async run(context) {
    while (!context.signal.aborted) {
      try {
        await collect(context);
      } catch (error) {
        if (context.signal.aborted) return;
        // After a compaction there is no gap to wait for: reading everything again closes it.
        if (error instanceof CompactedError) continue;
        context.state.log.warn({ err: error }, "the garbage collector starts again");
        await pause(restartMs, context.signal);
      }
    }
  },
};

async function collect({ state, handle, signal }: TaskContext): Promise<void> {
  const end = new AbortController();
  const ending = AbortSignal.any([signal, end.signal]);
  const queue = new KeyQueue();
  const collector: Collector = {
    state,
    graph: new OwnerGraph(),
    api: new OwnApi({ handle, controller: "generic-garbage-collector", signal: ending }),
  };
  const enqueue = (affected: Affected): void => {
    for (const key of affected) queue.add(key);
  };
  await Promise.all([
    feed(collector, enqueue, ending).finally(() => end.abort()),
    queue.work((key) => process(collector, key, queue), {
      concurrency,
      signal: ending,
      onFailure: (error, key) => logFailure(collector, error, key),
    }),
  ]);
}

async function feed(
  { state, graph }: Collector,
  enqueue: (affected: Affected) => void,
  signal: AbortSignal,
): Promise<void> {
  let revision: number | undefined;
  let startAfter: string | undefined;
  const affected = new Set<string>();
  // In pages, so that the start of a big server holds few objects at once.
  for (let isMore = true; isMore && !signal.aborted;) {
    const page = await state.store.list(registryPrefix, {
      limit: pageSize,
      ...(revision !== undefined && { revision }),
      ...(startAfter !== undefined && { startAfter }),
    });
    for (const item of page.items) for (const key of graph.put(item)) affected.add(key);
    revision = page.revision;
    startAfter = page.items.at(-1)?.key;
    isMore = page.more;
  }
  // Only now: a decision may need to know all dependents.
  enqueue(affected);
  if (revision === undefined || signal.aborted) return;
  for await (const batch of state.store.watch(registryPrefix, { fromRevision: revision + 1, signal }))
    for (const event of batch) enqueue(event.type === "put" ? graph.put(event.current) : graph.delete(event.previous));
}

async function process(collector: Collector, key: string, queue: KeyQueue): Promise<void> {
  for (const blocking of await releaseOwner(collector, key)) queue.add(blocking);
  await collectDependent(collector, key);
}

function logFailure({ state }: Collector, error: unknown, key: string): void {
  if (isStatus(error, "Conflict")) return;
  if (error instanceof UnknownOwnerKindError) state.log.debug({ key, why: error.message }, "an owner cannot be found");
  else state.log.warn({ err: error, key }, "cannot collect an object, trying again");
}
