// GET of one object: always the newest, which is not older than any resourceVersion that was ever given.

import type { ApiResponse } from "@vivarium/api";
import { notFound } from "../errors.ts";
import { parseRevision } from "../input/list-options.ts";
import { keyOf, type NamedTarget } from "../input/target.ts";
import { compressed } from "../output/compress.ts";
import { respondStored } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import { assertReached } from "./select-objects.ts";

export async function get(state: ServerState, context: RequestContext, target: NamedTarget): Promise<ApiResponse> {
  const revision = parseRevision(context.request.query.get("resourceVersion"));
  if (revision !== undefined && revision > 0) await assertReached(state, revision);
  const found = await state.store.get(keyOf(target));
  if (found === undefined) throw notFound(target.resource, target.name);
  return compressed(context.request, respondStored(context, target.resource, { kv: found }));
}
