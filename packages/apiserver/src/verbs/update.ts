// PUT of one object, and the read-modify-write that PATCH shares with it.

import { copyJson, isSameJson, type ApiResponse } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import { admitWrite } from "../admission/admit-write.ts";
import { invalid, modified, notFound } from "../errors.ts";
import { requestOwnership, type Ownership } from "../field-management/ownership.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseBody } from "../input/parse-body.ts";
import { isDryRun, keyOf, type NamedTarget } from "../input/target.ts";
import { respondObject, respondStored } from "../output/respond.ts";
import { prepareUpdate } from "../prepare.ts";
import type { RequestContext } from "../request-context.ts";
import { invalidValue } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { isHeld } from "./delete.ts";

export async function update(state: ServerState, context: RequestContext, target: NamedTarget): Promise<ApiResponse> {
  const { resource, name } = target;
  const decoded = decodeObject(context, resource, parseBody(context.request));
  const wanted = decoded.metadata.resourceVersion ?? "";
  if (wanted === "" && !resource.strategy.allowsUnconditionalUpdate)
    throw invalid(resource, name, [invalidValue("metadata.resourceVersion", 0, "must be specified for an update")]);
  return updateObject(state, context, { target, change: () => copyJson(decoded) });
}

const maxAttempts = 20;

/**
 * Writes what `change` makes of the stored object. Its resourceVersion, where it has one, must be the stored one; without one, or when it
 * left it as it was, a write in between is no conflict: `change` is asked again.
 */
export async function updateObject(
  state: ServerState,
  context: RequestContext,
  {
    target,
    change,
    ownership = requestOwnership(context, target),
    respond,
  }: {
    readonly target: NamedTarget;
    /** Not to change the old one, and to give a new one each time. */
    readonly change: (old: ApiObject) => ApiObject;
    readonly ownership?: Ownership;
    /** The answer, where it is not the object itself. */
    readonly respond?: (object: ApiObject) => ApiResponse;
  },
): Promise<ApiResponse> {
  const { resource, name } = target;
  const key = keyOf(target);
  const answer: Answer = {
    object: respond ?? ((object) => respondObject(context, resource, object)),
    stored: (kv) =>
      respond === undefined ? respondStored(context, resource, { kv: kv }) : respond(decodeStored(kv, resource)),
  };
  for (let attempt = 1; ; attempt++) {
    const found = await state.store.get(key);
    if (found === undefined) throw notFound(resource, name);
    const old = decodeStored(found, resource);
    const warnings = context.warnings.length;
    const wanted = change(old);
    const version = wanted.metadata.resourceVersion ?? "";
    if (version !== "" && version !== old.metadata.resourceVersion) throw modified(resource, name);
    const next = prepareUpdate(target, { object: wanted, old, ownership });
    const response = await admitWrite(
      state,
      {
        operation: "UPDATE",
        ...target,
        object: next,
        oldObject: old,
        user: context.request.user,
        isDryRun: isDryRun(context.request.query),
        warnings: context.warnings,
        auditAnnotations: context.auditAnnotations,
      },
      {
        write: () => write(state, context, { target, found, old, next, answer }),
        isWritten: (result) => result !== undefined,
      },
    );
    if (response !== undefined) return response;
    if (attempt >= maxAttempts) throw modified(resource, name);
    context.warnings.length = warnings;
  }
}

interface Answer {
  object(object: ApiObject): ApiResponse;
  stored(kv: KeyValue): ApiResponse;
}

/** Undefined when somebody else wrote in between. */
async function write(
  state: ServerState,
  context: RequestContext,
  {
    target,
    found,
    old,
    next,
    answer,
  }: {
    readonly target: NamedTarget;
    readonly found: KeyValue;
    readonly old: ApiObject;
    readonly next: ApiObject;
    readonly answer: Answer;
  },
): Promise<ApiResponse | undefined> {
  const { resource } = target;
  if (isSameJson(next, old)) return answer.stored(found);
  if (isDryRun(context.request.query)) return answer.object(next);
  const condition = { expected: found.modRevision };
  if (next.metadata.deletionTimestamp !== undefined && !isHeld(resource, next)) {
    const result = await state.store.delete(found.key, condition);
    return result.deleted ? answer.object(next) : undefined;
  }
  const result = await state.store.put(found.key, encodeStored(next, resource), condition);
  return result.written ? answer.stored(result.current) : undefined;
}
