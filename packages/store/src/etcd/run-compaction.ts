// Compaction as kube-apiserver does it: every interval, history before the revision of one interval ago goes. All servers try; the one
// that moves the shared mark first does it. A cluster in which nothing was written since is left alone.

import { setTimeout as delay } from "node:timers/promises";
import { StoreError } from "../store-error.ts";
import { isOutOfRange, isServiceError, type EtcdClient } from "./etcd-client.ts";

export interface CompactionOptions {
  /** Of the mark. Its modRevision is what the next compaction may forget. */
  readonly key: string;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

export async function runCompaction(client: EtcdClient, options: CompactionOptions): Promise<void> {
  const { key, intervalMs, signal } = options;
  /** The mark as this server last saw it. */
  let seen: number | undefined;
  while (!signal.aborted) {
    try {
      seen = await step(client, { key, seen });
    } catch (error) {
      // Tried again after the next interval: a cluster that cannot be reached or is full comes back, and nothing was lost meanwhile.
      if (!(error instanceof StoreError) && !isServiceError(error)) throw error;
    }
    await delay(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Gives the mark as it is now. */
async function step(
  client: EtcdClient,
  { key, seen }: { readonly key: string; readonly seen: number | undefined },
): Promise<number> {
  const before = await client.range({ key });
  const mark = before.items[0]?.modRevision ?? 0;
  // Another server was here within the interval, or this one has not waited for one yet.
  if (seen !== mark) return mark;
  // Only the mark itself was written.
  if (mark !== 0 && before.revision === mark) return mark;
  const moved = await client.txn({
    compare: [{ key, modRevision: mark }],
    success: [{ put: { key, value: new Uint8Array(0) } }],
    failure: [{ range: { key } }],
  });
  if (!moved.succeeded) return moved.found[0]?.[0]?.modRevision ?? 0;
  if (mark === 0) return moved.revision;
  await client.compact(mark).catch((error: unknown) => {
    // Somebody has compacted further already.
    if (!isOutOfRange(error)) throw error;
  });
  return moved.revision;
}
