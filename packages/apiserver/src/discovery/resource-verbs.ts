// The verbs that discovery names.

import type { Subresource } from "../subresources.ts";

export const verbsOf = {
  object: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
  status: ["get", "patch", "update"],
  finalize: ["update"],
  scale: ["get", "patch", "update"],
  /** Kinds that are asked and not stored. */
  review: ["create"],
} as const;

/** Of a subresource that is added to a kind. */
export function addedVerbs(added: Subresource): readonly string[] {
  const isRead = added.get !== undefined || added.connect !== undefined;
  return [...(added.create === undefined ? [] : ["create"]), ...(isRead ? ["get"] : [])];
}
