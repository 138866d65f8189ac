// POST to a collection.

import { copyJson, StatusError, type ApiResponse } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";
import { admitWrite } from "../admission/admit-write.ts";
import type { AdmissionRequest } from "../admission/admission-plugin.ts";
import { alreadyExists, noNameLeft, methodNotAllowed } from "../errors.ts";
import { requestOwnership, type Ownership } from "../field-management/ownership.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseBody } from "../input/parse-body.ts";
import { isDryRun, type Target } from "../input/target.ts";
import { respondObject, respondStored } from "../output/respond.ts";
import { prepareCreate } from "../prepare.ts";
import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { encodeStored, type ApiObject } from "../stored-object.ts";

/** A generated name that is taken is replaced by another one so many times. */
const maxNameAttempts = 8;

export async function create(state: ServerState, context: RequestContext, target: Target): Promise<ApiResponse> {
  const { resource } = target;
  if (resource.namespaced && target.namespace === undefined) throw methodNotAllowed();
  const decoded = decodeObject(context, resource, parseBody(context.request));
  return createObject(state, context, { target, object: decoded });
}

/** The part that server-side apply shares: writes an object that does not exist yet. Takes `object` over. */
export async function createObject(
  state: ServerState,
  context: RequestContext,
  {
    target,
    object: decoded,
    ownership = requestOwnership(context, target),
  }: { readonly target: Target; readonly object: ApiObject; readonly ownership?: Ownership },
): Promise<ApiResponse> {
  const { resource, namespace } = target;
  if (resource.isTerminating)
    throw new StatusError("MethodNotAllowed", "create not allowed while custom resource definition is terminating");
  hold(decoded, state.initialFinalizers.get(resource.qualifiedPlural));
  const isGenerated = decoded.metadata.name === "";
  for (let attempt = 1; ; attempt++) {
    // Only a generated name is tried more than once.
    const wanted = isGenerated ? copyJson(decoded) : decoded;
    const object = prepareCreate(context, target, { object: wanted, ownership });
    const { name } = object.metadata;
    if (namespace !== undefined) await state.namespaces.assertAccepts(resource, { namespace, name });
    const key = resource.keyOf(namespace, name);
    const written = await admitWrite(state, admissionOf(context, target, object), {
      write: () => writeNew(state, { key, object, resource, isDryRun: isDryRun(context.request.query) }),
      isWritten: (result) => result !== undefined,
    });
    if (written === "dry-run") return respondObject(context, resource, object, { status: 201 });
    if (written !== undefined) return respondStored(context, resource, { kv: written, status: 201 });
    if (!isGenerated) throw alreadyExists(resource, name);
    if (attempt >= maxNameAttempts) throw noNameLeft(resource, name);
  }
}

function hold({ metadata }: ApiObject, finalizer: string | undefined): void {
  if (finalizer === undefined || metadata.finalizers?.includes(finalizer) === true) return;
  metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
}

function admissionOf(context: RequestContext, { resource, namespace }: Target, object: ApiObject): AdmissionRequest {
  return {
    operation: "CREATE",
    resource,
    ...(namespace !== undefined && { namespace }),
    name: object.metadata.name,
    object,
    user: context.request.user,
    isDryRun: isDryRun(context.request.query),
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  };
}

/** Undefined when the name is taken. */
async function writeNew(
  state: ServerState,
  {
    key,
    object,
    resource,
    isDryRun,
  }: {
    readonly key: string;
    readonly object: ApiObject;
    readonly resource: Resource;
    readonly isDryRun: boolean;
  },
): Promise<KeyValue | "dry-run" | undefined> {
  if (isDryRun) return (await state.store.get(key)) === undefined ? "dry-run" : undefined;
  const result = await state.store.put(key, encodeStored(object, resource), { expected: 0 });
  return result.written ? result.current : undefined;
}
