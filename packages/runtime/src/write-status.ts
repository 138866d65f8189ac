// Writes a status only where it differs, so that a system at rest writes nothing.

import { isSameJson } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";

/**
 * Gives the object as it is afterwards. Throws Conflict when it changed since it was read: let it pass, the reconcile loop looks
 * again soon.
 */
export async function writeStatus<T extends KubeObject & { status?: unknown }>(
  client: Client,
  {
    type,
    object,
    status,
  }: { readonly type: ResourceType<T>; readonly object: T; readonly status: NonNullable<T["status"]> },
  options: { readonly signal?: AbortSignal } = {},
): Promise<T> {
  if (isSameJson(status, object.status ?? {})) return object;
  return client.updateStatus(type, { ...object, status }, options);
}
