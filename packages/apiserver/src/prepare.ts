// Makes an object ready to be written: what the server owns is set, defaults are filled in, and everything is validated.
// Create and update differ only in what they take over from the old object.

import { randomUUID } from "node:crypto";
import { copyJson, isSameJson } from "@vivarium/api";
import { badRequest, conflict, invalid } from "./errors.ts";
import { setOwners, type Ownership } from "./field-management/ownership.ts";
import type { Target } from "./input/target.ts";
import { timestamp } from "./meta/timestamp.ts";
import { validateMeta } from "./meta/validate-meta.ts";
import type { RequestContext } from "./request-context.ts";
import type { Resource } from "./resource.ts";
import { applyDefaults } from "./schema/apply-defaults.ts";
import type { FieldError } from "./schema/field-error.ts";
import type { ApiObject } from "./stored-object.ts";

export function prepareCreate(
  context: Pick<RequestContext, "now">,
  target: Target,
  { object, ownership }: { readonly object: ApiObject; readonly ownership: Ownership },
): ApiObject {
  const { resource } = target;
  const { metadata } = object;
  const given = metadata.managedFields;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "")
    throw badRequest("resourceVersion should not be set on objects to be created");
  takeNamespace(object, target);
  delete metadata.resourceVersion;
  delete metadata.managedFields;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  if (metadata.generateName === "") delete metadata.generateName;
  if (metadata.name === "" && metadata.generateName !== undefined) metadata.name = generatedName(metadata.generateName);
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(context.now);
  if (resource.strategy.hasGeneration) metadata.generation = 1;
  if (resource.hasStatus) delete object["status"];
  complete(resource, object, undefined);
  return setOwners(object, ownership({ object, old: undefined, given }));
}

/** `object` is what the caller wants, `old` what is stored. The answer is what is to be stored; equal to `old` when nothing changes. */
export function prepareUpdate(
  target: Target,
  { object, old, ownership }: { readonly object: ApiObject; readonly old: ApiObject; readonly ownership: Ownership },
): ApiObject {
  const { resource, subresource } = target;
  const { metadata } = object;
  const given = metadata.managedFields;
  takeNamespace(object, target);
  if (metadata.name !== old.metadata.name)
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${old.metadata.name})`,
    );
  assertSameUid(resource, object, old);
  const next = subresource === "status" ? withStatusOf(object, old) : withMetaOf(resource, object, old);
  const { resourceVersion } = old.metadata;
  if (resourceVersion !== undefined) next.metadata.resourceVersion = resourceVersion;
  delete next.metadata.managedFields;
  const completed = complete(resource, next, old);
  if (resource.strategy.hasGeneration && subresource !== "status" && hasSpecChange(resource, completed, old))
    completed.metadata.generation = (old.metadata.generation ?? 0) + 1;
  return setOwners(completed, ownership({ object: completed, old, given }));
}

function takeNamespace(object: ApiObject, target: Target): void {
  const { metadata } = object;
  if (!target.resource.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== "")
      throw badRequest(`namespace is not allowed on this type: found ${JSON.stringify(metadata.namespace)}`);
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace === undefined || metadata.namespace === "") metadata.namespace = target.namespace ?? "";
  else if (metadata.namespace !== target.namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

function assertSameUid(resource: Resource, object: ApiObject, old: ApiObject): void {
  const { uid } = object.metadata;
  if (uid === undefined || uid === "" || uid === old.metadata.uid) return;
  throw conflict(
    resource,
    old.metadata.name,
    `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ""}`,
  );
}

function withStatusOf(object: ApiObject, old: ApiObject): ApiObject {
  const { status: _, ...rest } = old;
  const next: ApiObject = copyJson(rest);
  if (object["status"] !== undefined) next["status"] = object["status"];
  return next;
}

const serverOwned = [
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
] as const;

function withMetaOf(resource: Resource, object: ApiObject, old: ApiObject): ApiObject {
  const { metadata } = object;
  delete metadata["selfLink" as keyof typeof metadata];
  for (const field of serverOwned) {
    if (old.metadata[field] === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: old.metadata[field] });
  }
  if (old.metadata.generateName !== undefined) metadata.generateName ??= old.metadata.generateName;
  if (resource.hasStatus) {
    if (old["status"] === undefined) delete object["status"];
    else object["status"] = old["status"];
  }
  return object;
}

function complete(resource: Resource, object: ApiObject, old: ApiObject | undefined): ApiObject {
  const { metadata } = object;
  for (const field of ["labels", "annotations", "finalizers", "ownerReferences"] as const) {
    const value = metadata[field];
    if (value !== undefined && Object.keys(value).length === 0) delete metadata[field];
  }
  resource.strategy.prepare?.(object, old);
  applyDefaults(object, resource.schema);
  const errors = [...validateMeta(metadata, resource, old?.metadata), ...resource.validator(object, old)];
  if (errors.length > 0)
    throw invalid(resource, metadata.name, resource.rules === undefined ? errors : [...errors, rulesUnchecked]);
  const problems = [...(resource.rules?.(object, old) ?? []), ...(resource.strategy.validate?.(object, old) ?? [])];
  if (problems.length > 0) throw invalid(resource, metadata.name, problems);
  return object;
}

/** Rules are written for objects that the schema allows. The words and the field's odd name are kube-apiserver's. */
const rulesUnchecked: FieldError = {
  reason: "FieldValueInvalid",
  field: "<nil>",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
};

/** With a status subresource everything but metadata and status is spec. */
function hasSpecChange(resource: Resource, object: ApiObject, old: ApiObject): boolean {
  const specOf = (each: ApiObject): unknown => {
    const { metadata: _metadata, status, ...spec } = each;
    return resource.hasStatus ? spec : { ...spec, status };
  };
  return !isSameJson(specOf(object), specOf(old));
}

const suffixCharacters = "bcdfghjklmnpqrstvwxz2456789";
const maxPrefixLength = 58;

/** A prefix that is too long is cut, as Kubernetes does. */
function generatedName(prefix: string): string {
  const random = crypto.getRandomValues(new Uint8Array(5));
  const suffix = Array.from(random, (byte) => suffixCharacters[byte % suffixCharacters.length]).join("");
  return prefix.slice(0, maxPrefixLength) + suffix;
}
