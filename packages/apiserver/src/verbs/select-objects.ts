// The objects that a list is about: selectors, limit, continue and resourceVersion together.

import { CompactedError, type KeyValue, type ListPage } from "@vivarium/store";
import { expired, tooLargeRevision } from "../errors.ts";
import { parseListQuery, type WantedState } from "../input/list-options.ts";
import type { Target } from "../input/target.ts";
import type { RequestContext } from "../request-context.ts";
import { parseFilter, type ObjectFilter } from "../selectors/object-filter.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored } from "../stored-object.ts";
import { decodeContinue, encodeContinue } from "./continue-token.ts";

export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface Selection {
  readonly items: readonly KeyValue[];
  readonly metadata: ListMeta;
}

/** With selectors more is read than the limit says, since few may match. */
const minSelectedPage = 500;

export async function selectObjects(state: ServerState, context: RequestContext, target: Target): Promise<Selection> {
  const { resource } = target;
  const query = parseListQuery(context.request.query);
  const filter = parseFilter(context, resource);
  const base = resource.keyPrefix(target.namespace);
  const prefix = narrowed(base, target, filter);
  const token = query.continue === undefined ? undefined : decodeContinue(query.continue);
  const { limit } = query;
  let revision = token === undefined ? await revisionOf(state, query.state) : token.revision;
  let startAfter = token === undefined ? undefined : base + token.startAfter;
  const items: KeyValue[] = [];
  for (;;) {
    const missing = limit === undefined ? undefined : limit - items.length;
    const page = await readPage(state, prefix, {
      ...(missing !== undefined && { limit: filter === undefined ? missing : Math.max(missing, minSelectedPage) }),
      ...(startAfter !== undefined && { startAfter }),
      ...(revision !== undefined && { revision }),
      ...(token !== undefined && { goOn: encodeContinue({ revision: undefined, startAfter: token.startAfter }) }),
    });
    revision = page.revision;
    const matching = filter === undefined ? page.items : page.items.filter((item) => matches(filter, item, target));
    for (const item of matching.slice(0, missing)) items.push(item);
    const isCut = missing !== undefined && matching.length > missing;
    startAfter = (isCut ? items : page.items).at(-1)?.key ?? startAfter;
    const isFull = limit !== undefined && items.length >= limit;
    if (!isCut && !(page.more && startAfter !== undefined)) return { items, metadata: metaOf(revision) };
    if (isCut || isFull) {
      const known = filter === undefined ? (page.remaining ?? restOf(token?.remaining, items.length)) : undefined;
      const next = { revision, startAfter: (startAfter ?? base).slice(base.length) };
      return {
        items,
        metadata: {
          ...metaOf(revision),
          continue: encodeContinue({ ...next, ...(known !== undefined && { remaining: known }) }),
          ...(known !== undefined && { remainingItemCount: known }),
        },
      };
    }
  }
}

/** All objects of one name lie in one place only when the namespace is known. */
export function narrowed(base: string, target: Target, filter: ObjectFilter | undefined): string {
  const isNarrow = filter?.name !== undefined && (target.namespace !== undefined || !target.resource.namespaced);
  return isNarrow ? base + (filter?.name ?? "") : base;
}

function metaOf(revision: number): ListMeta {
  return { resourceVersion: String(revision) };
}

function restOf(remaining: number | undefined, given: number): number | undefined {
  return remaining === undefined ? undefined : remaining - given;
}

function matches(filter: ObjectFilter, item: KeyValue, target: Target): boolean {
  return filter.matches(decodeStored(item, target.resource));
}

async function readPage(
  state: ServerState,
  prefix: string,
  options: { limit?: number; startAfter?: string; revision?: number; goOn?: string },
): Promise<ListPage> {
  const { goOn, ...range } = options;
  try {
    return await state.store.list(prefix, range);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw goOn === undefined
      ? expired(`The resourceVersion for the provided list is too old: ${error.revision} (${error.compactedRevision}).`)
      : expired(continueIsTooOld, goOn);
  }
}

const continueIsTooOld =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
  "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. " +
  "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted " +
  "between the time the first chunk was returned and now may show up in the list.";

/** Undefined: the newest. */
async function revisionOf(state: ServerState, wanted: WantedState): Promise<number | undefined> {
  const revision = wanted.kind === "exact" ? wanted.revision : wanted.atLeast;
  if (revision > 0) await assertReached(state, revision);
  return wanted.kind === "exact" ? revision : undefined;
}

/** Throws when the store has not come that far. */
export async function assertReached(state: ServerState, revision: number): Promise<void> {
  const current = await state.store.revision();
  if (revision > current) throw tooLargeRevision(revision, current);
}
