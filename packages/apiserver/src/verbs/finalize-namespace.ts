// PUT of a namespace's /finalize: the only way to change `spec.finalizers`, and the way out for a namespace that hangs in its deletion.

import type { ApiResponse } from "@vivarium/api";
import { admitWrite } from "../admission/admit-write.ts";
import { invalid, modified, notFound } from "../errors.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseBody } from "../input/parse-body.ts";
import { isDryRun, keyOf, type NamedTarget } from "../input/target.ts";
import { respondObject } from "../output/respond.ts";
import type { RequestContext } from "../request-context.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { isHeld } from "./delete.ts";

export async function finalizeNamespace(
  state: ServerState,
  context: RequestContext,
  target: NamedTarget,
): Promise<ApiResponse> {
  const { resource, name } = target;
  const wanted = decodeObject(context, resource, parseBody(context.request));
  const found = await state.store.get(keyOf(target));
  if (found === undefined) throw notFound(resource, name);
  const old = decodeStored(found, resource);
  const version = wanted.metadata.resourceVersion ?? "";
  if (version !== "" && version !== old.metadata.resourceVersion) throw modified(resource, name);
  const { finalizers } = (wanted["spec"] ?? {}) as { readonly finalizers?: unknown };
  const next: ApiObject = { ...old, spec: Array.isArray(finalizers) && finalizers.length > 0 ? { finalizers } : {} };
  const errors = resource.validator(next);
  if (errors.length > 0) throw invalid(resource, name, errors);
  const isDry = isDryRun(context.request.query);
  const written = await admitWrite(
    state,
    {
      operation: "UPDATE",
      resource,
      subresource: "finalize",
      name,
      object: next,
      oldObject: old,
      user: context.request.user,
      isDryRun: isDry,
      warnings: context.warnings,
      auditAnnotations: context.auditAnnotations,
    },
    { write, isWritten: (result) => result !== undefined },
  );
  if (written === undefined) throw modified(resource, name);
  return respondObject(context, resource, written);

  async function write(): Promise<ApiObject | undefined> {
    if (found === undefined || isDry) return next;
    const condition = { expected: found.modRevision };
    if (next.metadata.deletionTimestamp !== undefined && !isHeld(resource, next))
      return (await state.store.delete(found.key, condition)).deleted ? next : undefined;
    const result = await state.store.put(found.key, encodeStored(next, resource), condition);
    return result.written ? decodeStored(result.current, resource) : undefined;
  }
}
