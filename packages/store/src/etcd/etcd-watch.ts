// Changes of a range of keys from a revision on, over lost connections and members: each once, in order. Ends with CompactedError
// when something that it should have given is gone.

import { setTimeout as delay } from "node:timers/promises";
import { CompactedError } from "../store-error.ts";
import type { EtcdClient, WatchStream } from "./etcd-client.ts";
import type { WatchEvent, WatchResponse } from "./messages.ts";

export interface EtcdChanges {
  readonly events: readonly WatchEvent[];
  /** These, and those before, are all changes of the range up to this revision. */
  readonly through: number;
}

export interface EtcdWatchOptions {
  readonly key: string;
  readonly end: string;
  /** Absent: from now on; then the first batch is empty and tells what "now" was. */
  readonly from?: number;
  readonly signal: AbortSignal;
  /** Called when the connection was lost and is tried again. */
  readonly onLost?: (error: unknown) => void;
}

const firstRetryMs = 50;
const maxRetryMs = 2_000;

export async function* watchEtcd(client: EtcdClient, options: EtcdWatchOptions): AsyncGenerator<EtcdChanges> {
  const { key, end, signal, onLost } = options;
  let next = options.from ?? 0;
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    let stream: WatchStream | undefined;
    const cancel = (): void => stream?.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      // From one revision earlier than wanted: etcd serves a watch from the compacted revision itself, but has dropped that revision's
      // deletions by then (etcd#19179). Asked for the one before, it says that it is compacted.
      stream = await client.watch({ key, end, startRevision: next === 0 ? 0 : Math.max(1, next - 1) });
      if (signal.aborted) return;
      for await (const { events, through } of whole(stream, next)) {
        retryMs = firstRetryMs;
        const wanted = events.filter((event) => event.current.modRevision >= next);
        assertWhole(wanted);
        next = Math.max(next, through + 1);
        yield { events: wanted, through: next - 1 };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CompactedError) throw error;
      client.useNextEndpoint();
      onLost?.(error);
    } finally {
      signal.removeEventListener("abort", cancel);
      stream?.cancel();
    }
    await delay(retryMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    retryMs = Math.min(retryMs * 2, maxRetryMs);
  }
}

/** Joins the fragments of large responses, and says how far each one reaches. */
async function* whole(stream: AsyncIterable<WatchResponse>, from: number): AsyncGenerator<EtcdChanges> {
  let events: WatchEvent[] = [];
  for await (const response of stream) {
    if (response.compactRevision > 0) throw new CompactedError(from, response.compactRevision);
    if (response.canceled) throw new Error(`etcd ended the watch: ${response.cancelReason}`);
    if (response.created && from > 0) continue;
    events.push(...response.events);
    if (response.isFragment) continue;
    // With events the header may be ahead of them while the watch is catching up; without, it is a report of progress.
    yield { events, through: events.at(-1)?.current.modRevision ?? response.revision };
    events = [];
  }
}

/**
 * etcd looks previous values up when it sends, and leaves them out when they were compacted since the change. Without them a deletion
 * cannot be told to whoever selects by fields: then it is lost, and has to be said to be so.
 */
function assertWhole(events: readonly WatchEvent[]): void {
  for (const { isDelete, current, previous } of events) {
    if (previous !== undefined || (!isDelete && current.version === 1)) continue;
    throw new CompactedError(current.modRevision, current.modRevision);
  }
}
