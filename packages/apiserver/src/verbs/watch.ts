// GET of a collection with `watch`: one JSON event a line, from a resourceVersion on, until the caller goes, the time is up, or the
// server closes. A slow reader holds nothing back: the store's watch is only a position, and when compaction overtakes it the
// stream ends with 410 so that the client lists again.

import { StatusError, type ApiResponse } from "@vivarium/api";
import { CompactedError, type KeyValue, type StoreEvent } from "@vivarium/store";
import { badRequest, expired } from "../errors.ts";
import type { Target } from "../input/target.ts";
import { negotiate } from "../output/negotiate.ts";
import { includeObjectOf } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import { parseFilter, type ObjectFilter } from "../selectors/object-filter.ts";
import type { ServerState } from "../server-state.ts";
import { parseRevision } from "./revision.ts";
import { WatchEncoder, type WatchEventType } from "./watch-encoder.ts";

const defaultTimeoutMs = 45 * 60_000;
const bookmarkEveryMs = 60_000;
/** How often a watch of a kind that was changed or removed looks whether it has given everything that came before. */
const drainPollMs = 100;

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
  const plan = planOf(context, target);
  const signal = AbortSignal.any([context.request.signal, state.closing]);
  return {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-cache, private" },
    body: stream(state, plan, { target, signal }),
  };
}

function planOf(context: RequestContext, target: Target): WatchPlan {
  const { resource, namespace } = target;
  const { query } = context.request;
  const form = negotiate(context.request.headers["accept"], ["table", "partial"]);
  const filter = parseFilter(context, resource);
  const wantsInitial = query.get("sendInitialEvents") === "true";
  if (wantsInitial && query.get("resourceVersionMatch") !== "NotOlderThan")
    throw badRequest("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  const revision = parseRevision(query.get("resourceVersion"));
  const startsNow = revision === undefined || revision === 0;
  const timeout = query.get("timeoutSeconds") ?? "";
  if (!/^\d{0,9}$/.test(timeout))
    throw badRequest(`timeoutSeconds: found ${JSON.stringify(timeout)}, expected a number`);
  const wantsBookmarks = query.get("allowWatchBookmarks") === "true" || query.get("allowWatchBookmarks") === "1";
  return {
    prefix: resource.keyPrefix(namespace),
    filter,
    afterRevision:
      wantsInitial || (startsNow && query.get("sendInitialEvents") !== "false") ? undefined : (revision ?? 0),
    wantsInitialEnd: wantsInitial && wantsBookmarks,
    wantsBookmarks,
    timeoutMs: Number(timeout) > 0 ? Number(timeout) * 1000 : defaultTimeoutMs,
    encoder: new WatchEncoder(resource, { form, includeObject: includeObjectOf(context) }),
  };
}

async function* stream(
  state: ServerState,
  plan: WatchPlan,
  { target, signal }: { readonly target: Target; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const { encoder } = plan;
  const end = new AbortController();
  const stop = (): void => end.abort();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const timeout = setTimeout(stop, Math.min(plan.timeoutMs, 2 ** 31 - 1)).unref();
  const { retired } = target.resource;
  let endWhenRetired: (() => void) | undefined;
  try {
    let after = plan.afterRevision;
    const newest = await state.store.revision();
    if (after === undefined) {
      const page = await state.store.list(plan.prefix);
      for (const kv of page.items)
        if (plan.filter?.matches(encoder.decode(kv)) !== false) yield encoder.event("ADDED", kv, { now: state.now() });
      after = page.revision;
      if (plan.wantsInitialEnd) yield encoder.bookmark(after, { isInitialEnd: true });
    } else if (after > newest) {
      // From before this store was restored or made anew: nothing true can follow it.
      throw expired(`too large resource version: ${after} (${newest})`);
    } else if (after === 0) after = newest;
    const events = state.store.watch(plan.prefix, { fromRevision: after + 1, signal: end.signal });
    const batches = events[Symbol.asyncIterator]();
    endWhenRetired = () => {
      if (events.revision >= Number(retired.reason)) stop();
      else setTimeout(() => endWhenRetired?.(), drainPollMs).unref();
    };
    retired.addEventListener("abort", endWhenRetired, { once: true });
    if (retired.aborted) endWhenRetired();
    let next = batches.next();
    for (;;) {
      const step = await (plan.wantsBookmarks ? withinMs(next, bookmarkEveryMs) : next);
      if (step === "late") {
        yield encoder.bookmark(events.revision);
        continue;
      }
      if (step.done === true) break;
      const lines = step.value.flatMap((event) => encodeEvent(event, plan, state.now()));
      if (lines.length > 0) yield Buffer.concat(lines);
      next = batches.next();
    }
    if (plan.wantsBookmarks && !signal.aborted) yield encoder.bookmark(events.revision);
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
    if (endWhenRetired !== undefined) retired.removeEventListener("abort", endWhenRetired);
    endWhenRetired = undefined;
    signal.removeEventListener("abort", stop);
    stop();
  }
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

async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late").unref();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
