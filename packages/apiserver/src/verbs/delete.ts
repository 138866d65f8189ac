// DELETE of one object. What finalizers hold is marked with a deletionTimestamp and goes with the last of them.

import { copyJson, type ApiResponse, type Status, type UserInfo } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import { admitWrite } from "../admission/admit-write.ts";
import { conflict, forbidden, modified, notFound } from "../errors.ts";
import { finalizersFor } from "../garbage-collector/propagation.ts";
import { parseDeleteOptions, type DeleteOptions } from "../input/delete-options.ts";
import { keyOf, type NamedTarget } from "../input/target.ts";
import { respondJson, respondObject } from "../output/respond.ts";
import { timestamp } from "../meta/timestamp.ts";
import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";

const maxAttempts = 20;

/** `done`: the object is gone, or would be without dryRun. */
type Deletion = { readonly done: boolean; readonly object: ApiObject };

export async function deleteOne(
  state: ServerState,
  context: RequestContext,
  target: NamedTarget,
): Promise<ApiResponse> {
  const { resource, name } = target;
  const options = parseDeleteOptions(context.request);
  const { done, object } = await deleteObject(state, {
    target,
    options,
    now: context.now,
    user: context.request.user,
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  });
  if (!done) return respondObject(context, resource, object, { status: options.wantsAccepted === true ? 202 : 200 });
  const { uid } = object.metadata;
  const status: Omit<Status, "code"> = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { ...resource.detailsOf(name), ...(uid !== undefined && { uid }) },
  };
  return respondJson(200, status);
}

interface DeletionOrder {
  readonly target: NamedTarget;
  readonly options: DeleteOptions;
  readonly now: Date;
  /** On whose behalf. */
  readonly user: UserInfo;
  readonly warnings: string[];
  readonly auditAnnotations: Map<string, string>;
}

export async function deleteObject(
  state: ServerState,
  { target, options, now, user, warnings, auditAnnotations }: DeletionOrder,
): Promise<Deletion> {
  const { resource, name } = target;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const found = await state.store.get(keyOf(target));
    if (found === undefined) throw notFound(resource, name);
    const object = decodeStored(found, resource);
    if (resource.strategy.isPermanent?.(object) === true)
      throw forbidden(resource, name, `this ${resource.singular} may not be deleted`);
    assertPreconditions(target, object, options);
    const deletion = await admitWrite(
      state,
      {
        operation: "DELETE",
        ...target,
        oldObject: copyJson(object),
        user,
        isDryRun: options.isDryRun,
        warnings,
        auditAnnotations,
      },
      {
        write: () => deleteFound(state, { resource, found, object, options, now }),
        isWritten: (result) => result !== undefined,
      },
    );
    if (deletion !== undefined) return deletion;
  }
  throw modified(resource, name);
}

/** Whether something wants to act before the object goes. */
export function isHeld(resource: Resource, object: ApiObject): boolean {
  return (object.metadata.finalizers ?? []).length > 0 || resource.strategy.isHeld?.(object) === true;
}

/** Undefined when somebody else wrote in between. */
async function deleteFound(
  state: ServerState,
  {
    resource,
    found,
    object,
    options,
    now,
  }: {
    readonly resource: Resource;
    readonly found: KeyValue;
    readonly object: ApiObject;
    readonly options: DeleteOptions;
    readonly now: Date;
  },
): Promise<Deletion | undefined> {
  const condition = { expected: found.modRevision };
  const wasMarked = object.metadata.deletionTimestamp !== undefined;
  const hasNewFinalizers = resource.strategy.isNeverOwner !== true && setFinalizers(object, options);
  if (!isHeld(resource, object)) {
    if (options.isDryRun) return { done: true, object };
    const result = await state.store.delete(found.key, condition);
    return result.deleted ? { done: true, object } : undefined;
  }
  if (wasMarked && !hasNewFinalizers) return { done: false, object };
  if (!wasMarked) markDeleted(resource, object, now);
  if (options.isDryRun) return { done: false, object };
  const result = await state.store.put(found.key, encodeStored(object, resource), condition);
  if (!result.written) return undefined;
  return { done: false, object: decodeStored(result.current, resource) };
}

/** True when the wish for dependents changed the finalizers. */
function setFinalizers({ metadata }: ApiObject, { propagation }: DeleteOptions): boolean {
  const old = metadata.finalizers ?? [];
  const next = finalizersFor(old, propagation);
  if (next.length === old.length && next.every((each) => old.includes(each))) return false;
  if (next.length === 0) delete metadata.finalizers;
  else metadata.finalizers = [...next];
  return true;
}

function markDeleted(resource: Resource, object: ApiObject, now: Date): void {
  object.metadata.deletionTimestamp = timestamp(now);
  object.metadata.deletionGracePeriodSeconds = 0;
  if (object.metadata.generation !== undefined) object.metadata.generation++;
  resource.strategy.markDeleted?.(object);
}

function assertPreconditions({ resource, name }: NamedTarget, object: ApiObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = object.metadata;
  if (options.uid !== undefined && options.uid !== uid)
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid ?? ""}`,
    );
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion)
    throw conflict(
      resource,
      name,
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion ?? ""}`,
    );
}
