// Events are news: an hour after the last of what they tell they go. One look at all of them, then sleep until the oldest one left is due; while
// there are none, until one is written.

import { CompactedError } from "@vivarium/store";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, type ApiObject } from "../stored-object.ts";
import { pause } from "../tasks/pause.ts";
import type { ServerTask } from "../tasks/server-task.ts";

export const defaultEventTtlMs = 60 * 60_000;
const pageSize = 500;
/** Events that are due soon go together: a look costs reading all of them. */
const atMostEveryMs = 5 * 60_000;
const retryMs = 10_000;

export function expireEvents(ttlMs: number): ServerTask {
  return {
    name: "events",
    async run({ state, signal }) {
      const resource = state.registry.find("", "v1", "events");
      if (resource === undefined) return;
      while (!signal.aborted) {
        try {
          const { revision, nextMs } = await removeOld(state, { resource, ttlMs, signal });
          if (nextMs === undefined) await written(state, { resource, after: revision, signal });
          else await pause(Math.max(nextMs, Math.min(ttlMs, atMostEveryMs)), signal);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof CompactedError))
            state.log.warn({ err: error }, "cannot remove old events, trying again");
          await pause(retryMs, signal);
        }
      }
    },
  };
}

/** `nextMs`: when the next one is due; absent when none is left. */
async function removeOld(
  state: ServerState,
  { resource, ttlMs, signal }: { readonly resource: Resource; readonly ttlMs: number; readonly signal: AbortSignal },
): Promise<{ readonly revision: number; readonly nextMs?: number }> {
  const nowMs = state.now().getTime();
  let oldestMs = Infinity;
  let startAfter: string | undefined;
  for (;;) {
    const page = await state.store.list(resource.keyPrefix(), {
      limit: pageSize,
      ...(startAfter !== undefined && { startAfter }),
    });
    const old = page.items.filter((item) => {
      const lastMs = lastMsOf(decodeStored(item, resource), nowMs);
      if (lastMs + ttlMs <= nowMs) return true;
      oldestMs = Math.min(oldestMs, lastMs);
      return false;
    });
    // Not one that was counted up meanwhile.
    await Promise.all(old.map((item) => state.store.delete(item.key, { expected: item.modRevision })));
    startAfter = page.items.at(-1)?.key;
    if (!page.more || signal.aborted)
      return { revision: page.revision, ...(oldestMs < Infinity && { nextMs: oldestMs + ttlMs - nowMs }) };
  }
}

/** A time in the future, or none at all, counts as now: nothing may stay for ever. */
function lastMsOf(event: ApiObject, nowMs: number): number {
  const series = (event["series"] ?? {}) as { lastObservedTime?: unknown };
  const times = [series.lastObservedTime, event["lastTimestamp"], event["eventTime"], event.metadata.creationTimestamp]
    .map((time) => (typeof time === "string" ? Date.parse(time) : Number.NaN))
    .filter((time) => !Number.isNaN(time));
  return Math.min(Math.max(0, ...times), nowMs);
}

async function written(
  state: ServerState,
  { resource, after, signal }: { readonly resource: Resource; readonly after: number; readonly signal: AbortSignal },
): Promise<void> {
  const end = new AbortController();
  const watch = state.store.watch(resource.keyPrefix(), {
    fromRevision: after + 1,
    signal: AbortSignal.any([signal, end.signal]),
  });
  for await (const batch of watch) if (batch.some((event) => event.type === "put")) end.abort();
}
