// Keeps `status.used` of quotas true: counts again after deletions and changes of quotas, when a decision was not followed by its write, and
// from time to time, since sizes may follow from other objects.

import { CompactedError } from "@vivarium/store";
import { registryPrefix } from "../stored-place.ts";
import { KeyQueue } from "../tasks/key-queue.ts";
import { pause } from "../tasks/pause.ts";
import type { ServerTask, TaskContext } from "../tasks/server-task.ts";
import type { QuotaIndex } from "./quota-index.ts";
import { recount, type QuotaParts } from "./recount.ts";

const restartMs = 1000;
const everyMs = 5 * 60_000;
/** A request of another server is over after this long, one way or the other. */
const settledMs = 10_000;

/** `isShared`: other servers write to the store too, and what they have set aside is not known here. */
export function recountQuotas(
  index: QuotaIndex,
  parts: QuotaParts,
  { isShared }: { readonly isShared: boolean },
): ServerTask {
  return {
    name: "quotas",
    async run({ state, signal }) {
      while (!signal.aborted) {
        const end = new AbortController();
        const ending = AbortSignal.any([signal, end.signal]);
        const queue = new KeyQueue();
        parts.ledger.onNeedsRecount((namespace) => queue.add(namespace), ending);
        for (const namespace of index.namespaces()) queue.add(namespace);
        try {
          await Promise.all([
            feed({ state, signal: ending }, { queue, parts, index }).finally(() => end.abort()),
            repeat(() => index.namespaces().forEach((namespace) => queue.add(namespace)), ending),
            queue.work((namespace) => once(namespace, ending), {
              concurrency: 2,
              signal: ending,
              onFailure: (error, namespace) => {
                if (!(error instanceof NotSettledError))
                  state.log.warn({ err: error, namespace }, "cannot count what a quota limits, trying again");
              },
            }),
          ]);
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof CompactedError) continue;
          state.log.warn({ err: error }, "counting for quotas starts again");
          await pause(restartMs, signal);
        }
      }
    },
  };

  async function once(namespace: string, signal: AbortSignal): Promise<void> {
    if (index.limitedIn(namespace) === undefined) return;
    const mayLower = !isShared || index.quietMs(namespace) >= settledMs;
    const { isComplete } = await recount(parts, namespace, { mayLower });
    if (!isComplete && !signal.aborted) throw new NotSettledError();
  }
}

/** Somebody changed a quota meanwhile, or may still be writing: to be counted again soon. */
class NotSettledError extends Error {
  override readonly name = "NotSettledError";
}

async function feed(
  { state, signal }: Pick<TaskContext, "state" | "signal">,
  { queue, parts, index }: { readonly queue: KeyQueue; readonly parts: QuotaParts; readonly index: QuotaIndex },
): Promise<void> {
  const quotas = parts.resource.keyPrefix();
  const fromRevision = (await state.store.revision()) + 1;
  for await (const batch of state.store.watch(registryPrefix, { fromRevision, signal }))
    for (const event of batch) {
      if (event.key.startsWith(quotas)) {
        if (event.type === "put" && isNewLimit(event.current.value, event.previous?.value))
          queue.add(event.key.slice(quotas.length).split("/")[0] ?? "");
      } else if (event.type === "delete") {
        const [, , namespace = ""] = event.key.slice(registryPrefix.length).split("/");
        if (index.limitedIn(namespace) !== undefined) queue.add(namespace);
      }
    }
}

/** Our own counting changes only the status. */
function isNewLimit(now: Uint8Array, before: Uint8Array | undefined): boolean {
  return before === undefined || specOf(now) !== specOf(before);
}

function specOf(value: Uint8Array): string | undefined {
  return JSON.stringify((JSON.parse(Buffer.from(value).toString()) as { spec?: unknown }).spec);
}

async function repeat(work: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(everyMs, signal);
    work();
  }
}
