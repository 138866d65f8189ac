// POST to a collection.

import type { ApiResponse } from "@vivarium/api";
import { alreadyExists, methodNotAllowed } from "../errors.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseBody } from "../input/parse-body.ts";
import { isDryRun, type Target } from "../input/target.ts";
import { respondObject } from "../output/respond.ts";
import { prepareCreate } from "../prepare.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";

/** A generated name that is taken is replaced by another one so many times. */
const maxNameAttempts = 8;

export async function create(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const { resource } = target;
  if (resource.namespaced && target.namespace === undefined) throw methodNotAllowed();
  const decoded = decodeObject(context, resource, parseBody(context.request));
  return createObject(state, context, { target, object: decoded });
}

/** The part that server-side apply shares: writes an object that does not exist yet. */
export async function createObject(
  state: ServerState,
  context: RequestContext,
  { target, object: decoded }: { readonly target: Target; readonly object: ApiObject },
): Promise<ApiResponse> {
  const { resource, namespace } = target;
  const isGenerated = decoded.metadata.name === "";
  for (let attempt = 1; ; attempt++) {
    const object = prepareCreate(context, target, structuredClone(decoded));
    const { name } = object.metadata;
    if (namespace !== undefined) await state.namespaces.assertAccepts(resource, { namespace, name });
    const key = resource.keyOf(namespace, name);
    if (isDryRun(context.request.query)) {
      if ((await state.store.get(key)) !== undefined) throw alreadyExists(resource, name);
      return respondObject(context, resource, object, { status: 201 });
    }
    const result = await state.store.put(key, encodeStored(object, resource), { expected: 0 });
    if (result.written)
      return respondObject(context, resource, decodeStored(result.current, resource), { status: 201 });
    if (!isGenerated || attempt >= maxNameAttempts) throw alreadyExists(resource, name);
  }
}
