// The part of an object that has owners: not what names it, and not what the server keeps about it
// (k8s.io/apimachinery/pkg/util/managedfields/internal/stripmeta.go).

import type { ObjectMeta } from "@vivarium/api";
import type { ApiObject } from "../stored-object.ts";
import type { Fields } from "./merge-shape.ts";

/** Shares its parts with `object`. */
export function ownablePart(object: ApiObject): Fields {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  return { metadata: ownableMeta(metadata), ...rest };
}

function ownableMeta(metadata: ObjectMeta): Fields {
  const {
    name: _name,
    namespace: _namespace,
    uid: _uid,
    resourceVersion: _resourceVersion,
    generation: _generation,
    creationTimestamp: _creationTimestamp,
    deletionTimestamp: _deletionTimestamp,
    deletionGracePeriodSeconds: _deletionGracePeriodSeconds,
    managedFields: _managedFields,
    ...rest
  } = metadata;
  return rest;
}
