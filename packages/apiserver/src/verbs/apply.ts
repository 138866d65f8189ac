// Server-side apply: a PATCH that says what its manager wants of the object, makes the object when there is none, and refuses to take over
// what others own unless it is told to (https://kubernetes.io/docs/reference/using-api/server-side-apply/).

import { copyJson, isStatus, type ApiRequest, type ApiResponse } from "@vivarium/api";
import { assertAllowed } from "../authorization/access-control.ts";
import { badRequest, conflict, modified, notFound } from "../errors.ts";
import { applyToObject } from "../field-management/apply-to-object.ts";
import { checkConfig } from "../field-management/check-config.ts";
import type { ManagedFieldsEntry } from "../field-management/managed-fields.ts";
import { invalidOptions, managerName } from "../field-management/manager-name.ts";
import { keepTimes } from "../field-management/keep-times.ts";
import { writerOf, type Ownership } from "../field-management/ownership.ts";
import { decodeObject } from "../input/decode-object.ts";
import { parseYaml } from "../input/parse-body.ts";
import { keyOf, type NamedTarget } from "../input/target.ts";
import type { RequestContext } from "../request-context.ts";
import { required } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import type { ApiObject } from "../stored-object.ts";
import { createObject } from "./create.ts";
import { updateObject } from "./update.ts";

/** Somebody else may make or delete the object just when it is looked for; so often it is looked for again. */
const maxAttempts = 5;

export async function apply(state: ServerState, context: RequestContext, target: NamedTarget): Promise<ApiResponse> {
  const { resource, name } = target;
  const isForced = assertApplyOptions(context.request);
  const config = decodeConfig(context, target);
  const writer = writerOf(context, target, managerName(context.request));
  let entries: readonly ManagedFieldsEntry[] = [];
  const change = (live: ApiObject | undefined): ApiObject => {
    const applied = applyToObject(live && copyJson(live), { config, schema: resource.schema, writer, isForced });
    entries = applied.entries;
    return applied.object;
  };
  const ownership: Ownership = (write) => keepTimes(entries, write);
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const exists = (await state.store.get(keyOf(target))) !== undefined;
    try {
      if (exists) return await updateObject(state, context, { target, change, ownership });
      if (target.subresource !== undefined) throw notFound(resource, name);
      assertMayCreate(state, context, target);
      assertNoUid(target, config);
      return await createObject(state, context, { target, object: change(undefined), ownership });
    } catch (error) {
      if (!isStatus(error, exists ? "NotFound" : "AlreadyExists") || attempt === maxAttempts) throw error;
    }
  }
  throw modified(resource, name);
}

/** Whoever may only patch must not make anything by it. */
function assertMayCreate(state: ServerState, { request }: RequestContext, target: NamedTarget): void {
  const { resource, namespace = "", name } = target;
  assertAllowed(state.access, request.user, {
    type: "resource",
    verb: "create",
    group: resource.group,
    version: resource.version,
    resource: resource.plural,
    subresource: "",
    namespace,
    name,
  });
}

function assertNoUid({ resource, name }: NamedTarget, { metadata: { uid } }: ApiObject): void {
  if (uid === undefined || uid === "") return;
  throw conflict(
    resource,
    name,
    `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
  );
}

/** Whether conflicts are overruled. */
function assertApplyOptions({ query }: ApiRequest): boolean {
  if ((query.get("fieldManager") ?? "") === "")
    throw invalidOptions("PatchOptions", [required("fieldManager", "is required for apply patch")]);
  const force = query.get("force");
  return force !== null && force !== "" && force !== "false" && force !== "0";
}

function decodeConfig(context: RequestContext, target: NamedTarget): ApiObject {
  const { resource, namespace, name, subresource } = target;
  const parsed = parseYaml(context.request.body);
  const { metadata } = (typeof parsed === "object" && parsed !== null ? parsed : {}) as { metadata?: unknown };
  if (
    typeof metadata === "object" &&
    metadata !== null &&
    "managedFields" in metadata &&
    metadata.managedFields !== null
  )
    throw badRequest("metadata.managedFields must be nil");
  const config = decodeObject(context, resource, parsed);
  if (config.metadata.name === "") config.metadata.name = name;
  if (config.metadata.name !== name)
    throw badRequest(`the name of the object (${config.metadata.name}) does not match the name on the URL (${name})`);
  const problems = checkConfig(config, resource.schema);
  if (problems.length > 0) {
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    const all = problems.length === 1 ? problems[0] : ["errors:", ...problems].join("\n  ");
    throw badRequest(
      `failed to create typed patch object (${key}; ${resource.apiVersion}, Kind=${resource.kind}): ${all}`,
    );
  }
  // What this endpoint does not write cannot be claimed here.
  if (subresource === "status") return onlyStatus(config);
  if (resource.hasStatus) delete config["status"];
  return config;
}

function onlyStatus({ apiVersion, kind, metadata, status }: ApiObject): ApiObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  const key = {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
  return { apiVersion, kind, metadata: key, ...(status !== undefined && { status }) };
}
