// GET of a collection with `watch`: one JSON event a line, from a resourceVersion on, until the caller goes, the time is up, or the
// server closes. A slow reader holds nothing back: the store's watch is only a position, and when compaction overtakes it the
// stream ends with 410 so that the client lists again.

import { StatusError, type ApiResponse } from "@vivarium/api";
import { CompactedError, type KeyValue, type StoreEvent } from "@vivarium/store";
import { expired } from "../errors.ts";
import { parseWatchQuery } from "../input/list-options.ts";
import type { Target } from "../input/target.ts";
import { negotiate } from "../output/negotiate.ts";
import { includeObjectOf } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import { parseFilter, type ObjectFilter } from "../selectors/object-filter.ts";
import type { ServerState } from "../server-state.ts";
import { endWhenRetired } from "./end-when-retired.ts";
import { EventSteps } from "./event-steps.ts";
import { assertReached, narrowed } from "./select-objects.ts";
import { WatchEncoder, type WatchEventType } from "./watch-encoder.ts";

/** Without a `timeoutSeconds` a watch ends after this up to twice this, as in Kubernetes, so that watchers do not all come back at once. */
const minTimeoutMs = 30 * 60_000;
const bookmarkEveryMs = 60_000;
/** Lines are sent together up to about this. */
const chunkBytes = 64 * 1024;

interface WatchPlan {
  readonly prefix: string;
  readonly filter: ObjectFilter | undefined;
  /** Where to start; undefined: with what is there now. */
  readonly afterRevision: number | undefined;
  readonly wantsInitialEnd: boolean;
  readonly wantsBookmarks: boolean;
  readonly timeoutMs: number;
  readonly encoder: WatchEncoder;
}

export async function watch(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const plan = await planOf(state, context, target);
  return {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-cache, private" },
    body: stream(state, plan, { target, gone: context.request.signal }),
  };
}

async function planOf(state: ServerState, context: RequestContext, target: Target): Promise<WatchPlan> {
  const { resource, namespace } = target;
  const { revision = 0, sendInitialEvents, wantsBookmarks, timeoutMs } = parseWatchQuery(context.request.query);
  const form = negotiate(context.request.headers["accept"], ["table", "partial"]);
  const filter = parseFilter(context, resource);
  if (sendInitialEvents === true && revision > 0) await assertReached(state, revision);
  const startsWithAll = sendInitialEvents ?? revision === 0;
  return {
    prefix: narrowed(resource.keyPrefix(namespace), target, filter),
    filter,
    afterRevision: startsWithAll ? undefined : revision,
    wantsInitialEnd: sendInitialEvents === true && wantsBookmarks,
    wantsBookmarks,
    timeoutMs: timeoutMs ?? minTimeoutMs * (1 + Math.random()),
    encoder: new WatchEncoder(resource, { form, includeObject: includeObjectOf(context) }),
  };
}

async function* stream(
  state: ServerState,
  plan: WatchPlan,
  { target, gone }: { readonly target: Target; readonly gone: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { encoder } = plan;
  const end = new AbortController();
  const stop = (): void => end.abort(endOfWatch);
  gone.addEventListener("abort", stop, { once: true });
  state.closing.addEventListener("abort", stop, { once: true });
  if (gone.aborted || state.closing.aborted) stop();
  const timeout = setTimeout(stop, Math.min(plan.timeoutMs, 2 ** 31 - 1)).unref();
  const meter = state.metrics.watcher(target.resource);
  const encode = (event: StoreEvent, now: Date): readonly Uint8Array[] => {
    const lines = encodeEvent(event, plan, now);
    meter.sent(lines.length);
    return lines;
  };
  let steps: EventSteps<readonly StoreEvent[]> | undefined;
  let keepWatching: (() => void) | undefined;
  try {
    let after = plan.afterRevision;
    if (after === undefined) {
      const page = await state.store.list(plan.prefix);
      const selected = page.items.filter((kv) => plan.filter?.matches(encoder.decode(kv)) !== false);
      const now = state.now();
      meter.sent(selected.length);
      for (const chunk of inChunks(selected, (kv) => [encoder.event("ADDED", kv, { now })])) yield chunk;
      after = page.revision;
      if (plan.wantsInitialEnd) yield encoder.bookmark(after, { isInitialEnd: true });
    } else after = await startOf(state, after);
    const events = state.store.watch(plan.prefix, { fromRevision: after + 1, signal: end.signal });
    const everyMs = plan.wantsBookmarks ? bookmarkEveryMs : undefined;
    steps = new EventSteps(events[Symbol.asyncIterator](), { everyMs });
    keepWatching = endWhenRetired(target.resource.retired, events, stop);
    for (;;) {
      const step = await steps.next();
      if (step === "late") yield encoder.bookmark(events.revision);
      else if (step.done === true) break;
      else {
        const now = state.now();
        // Not `yield*`: that makes two promises more of each chunk.
        for (const chunk of inChunks(step.value, (event) => encode(event, now))) yield chunk;
      }
    }
    if (plan.wantsBookmarks && !gone.aborted) yield encoder.bookmark(events.revision);
  } catch (error) {
    if (error instanceof CompactedError)
      yield encoder.error(expired(`too old resource version: ${error.revision - 1} (${error.compactedRevision})`));
    else {
      if (!(error instanceof StatusError))
        state.log.error({ err: error, kind: target.resource.kind }, "a watch failed");
      yield encoder.error(error);
    }
  } finally {
    clearTimeout(timeout);
    meter.end();
    steps?.stop();
    keepWatching?.();
    gone.removeEventListener("abort", stop);
    state.closing.removeEventListener("abort", stop);
    stop();
  }
}

/** One for all: to make an error for each watch that ends costs more than the rest of its end. */
const endOfWatch = new Error("the watch is over");

/** The revision after which a watch from this one goes on; 0 is now. */
async function startOf(state: ServerState, after: number): Promise<number> {
  const newest = await state.store.revision();
  if (after === 0) return newest;
  // From before this store was restored or made anew: nothing true can follow it.
  if (after > newest) throw expired(`too large resource version: ${after} (${newest})`);
  return after;
}

/** Lines of a batch, joined into chunks; a slow reader holds up the encoding of the rest. */
function* inChunks<T>(batch: readonly T[], encode: (item: T) => readonly Uint8Array[]): Generator<Uint8Array> {
  let lines: Uint8Array[] = [];
  let bytes = 0;
  for (const item of batch) {
    for (const line of encode(item)) {
      lines.push(line);
      bytes += line.length;
    }
    if (bytes < chunkBytes) continue;
    yield joined(lines);
    lines = [];
    bytes = 0;
  }
  if (lines.length > 0) yield joined(lines);
}

/** A single line, which is what most chunks are, is shared by all watchers that get it. */
function joined(lines: readonly Uint8Array[]): Uint8Array {
  const [first] = lines;
  return lines.length === 1 && first !== undefined ? first : Buffer.concat(lines);
}

/** One event as the selectors see it: an object that begins to match was added, one that ceases to was deleted. */
function encodeEvent(event: StoreEvent, { filter, encoder }: WatchPlan, now: Date): Uint8Array[] {
  const isSelected = (kv: KeyValue | undefined): boolean =>
    kv !== undefined && (filter === undefined || filter.matches(encoder.decode(kv)));
  const was = isSelected(event.previous);
  const is = event.type === "put" && isSelected(event.current);
  if (event.type === "put" && is) {
    const type: WatchEventType = was ? "MODIFIED" : "ADDED";
    return [encoder.event(type, event.current, { now, event })];
  }
  if (!was || event.previous === undefined) return [];
  return [encoder.event("DELETED", event.previous, { now, event, revision: event.revision })];
}
