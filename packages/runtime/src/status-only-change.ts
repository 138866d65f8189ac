// Tells a change that asks for a look from the echo of our own status write.

import { isSameJson } from "@vivarium/api";
import type { KubeObject } from "@vivarium/api";

export function isStatusOnlyChange(previous: KubeObject, object: KubeObject): boolean {
  if (previous.metadata.uid !== object.metadata.uid) return false;
  if (previous.metadata.generation !== object.metadata.generation) return false;
  return isSameJson(withoutStatus(previous), withoutStatus(object));
}

function withoutStatus(object: KubeObject): object {
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  const { resourceVersion: _version, managedFields: _fields, ...metadata } = rest.metadata;
  return { ...rest, metadata };
}
