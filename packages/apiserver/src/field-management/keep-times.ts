// An apply that changes nothing in the end is no write, although what was applied looked like a change at first: a Secret's stringData that is
// turned into the data it has already, or a null that is dropped (k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager/equality.go).

import { isDeepStrictEqual } from "node:util";
import type { ApiObject } from "../stored-object.ts";
import { storedEntries, type ManagedFieldsEntry } from "./managed-fields.ts";
import { ownablePart } from "./ownable-part.ts";

/** The entries as they were where nothing but their times would change. `object`: as it is to be stored. */
export function keepTimes(
  entries: readonly ManagedFieldsEntry[],
  { object, old }: { readonly object: ApiObject; readonly old: ApiObject | undefined },
): readonly ManagedFieldsEntry[] {
  const stored = storedEntries(old);
  if (old === undefined || !isDeepStrictEqual(timeless(entries), timeless(stored))) return entries;
  return isDeepStrictEqual(ownablePart(object), ownablePart(old)) ? stored : entries;
}

/** Sorted by what does not change: the order on the wire begins with the time. */
function timeless(entries: readonly ManagedFieldsEntry[]): unknown {
  return entries.map(({ time: _time, ...entry }) => entry).toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function sortKey({ manager, operation, apiVersion, subresource = "" }: Omit<ManagedFieldsEntry, "time">): string {
  return JSON.stringify([operation, manager, subresource, apiVersion]);
}
