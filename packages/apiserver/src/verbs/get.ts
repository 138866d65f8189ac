// GET of one object.

import type { ApiResponse } from "@vivarium/api";
import { notFound } from "../errors.ts";
import { keyOf, type NamedTarget } from "../input/target.ts";
import { respondStored } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";

export async function get(state: ServerState, context: RequestContext, target: NamedTarget): Promise<ApiResponse> {
  const found = await state.store.get(keyOf(target));
  if (found === undefined) throw notFound(target.resource, target.name);
  return respondStored(context, target.resource, found);
}
