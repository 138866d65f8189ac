// DELETE of a collection: each object that the selectors match, as if it were deleted alone.

import { isStatus, type ApiResponse } from "@vivarium/api";
import { parseDeleteOptions } from "../input/delete-options.ts";
import type { Target } from "../input/target.ts";
import { respondJson } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import { parseFilter } from "../selectors/object-filter.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, type ApiObject } from "../stored-object.ts";
import { deleteObject } from "./delete.ts";

export async function deleteCollection(
  state: ServerState,
  context: RequestContext,
  target: Target,
): Promise<ApiResponse> {
  const { resource } = target;
  const filter = parseFilter(context, resource);
  const options = parseDeleteOptions(context.request);
  const page = await state.store.list(resource.keyPrefix(target.namespace));
  const selected = page.items
    .map((item) => decodeStored(item, resource))
    .filter((object) => filter === undefined || filter.matches(object));
  const { now, warnings, auditAnnotations } = context;
  const order = { options, now, user: context.request.user, warnings, auditAnnotations };

  async function deleteSelected(object: ApiObject): Promise<ApiObject[]> {
    const { name, namespace } = object.metadata;
    try {
      const named = { resource, name, ...(namespace !== undefined && { namespace }) };
      return [(await deleteObject(state, { target: named, ...order })).object];
    } catch (error) {
      // Somebody else was faster.
      if (isStatus(error, "NotFound")) return [];
      throw error;
    }
  }

  const deleted = await Promise.all(selected.map((object) => deleteSelected(object)));
  return respondJson(200, {
    kind: resource.listKind,
    apiVersion: resource.apiVersion,
    metadata: { resourceVersion: String(page.revision) },
    items: deleted.flat(),
  });
}
