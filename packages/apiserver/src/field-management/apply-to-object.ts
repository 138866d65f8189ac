// Server-side apply of one configuration to one stored object, or to none: the new object and who owns its fields.

import type { JsonSchema } from "../custom-resource-definition.ts";
import type { ApiObject } from "../stored-object.ts";
import { applyConfig } from "./apply-config.ts";
import { compareFields } from "./compare-fields.ts";
import { applyConflict } from "./conflict-error.ts";
import { kubectlManager, syncLastApplied, withoutLastApplied } from "./last-applied.ts";
import { storedEntries, storedOwners, writeOwners, type ManagedFieldsEntry, type Owner } from "./managed-fields.ts";
import type { Fields } from "./merge-shape.ts";
import { ownablePart } from "./ownable-part.ts";
import { reconcileOwners } from "./reconcile-owners.ts";
import { takeFields, unmade, type Writer } from "./track-write.ts";

/** Owns what was there before anybody's fields were tracked. */
const beforeFirstApply = "before-first-apply";

export function applyToObject(
  live: ApiObject | undefined,
  {
    config,
    schema,
    writer,
    isForced,
  }: {
    readonly config: ApiObject;
    readonly schema: JsonSchema;
    readonly writer: Writer;
    readonly isForced: boolean;
  },
): { readonly object: ApiObject; readonly entries: readonly ManagedFieldsEntry[] } {
  const before = live === undefined ? unmade : ownablePart(live);
  const { object, owners, conflicts } = applyConfig({
    live: before,
    config: ownablePart(config),
    owners: reconcileOwners(ownersOf(live, { before, schema, writer }), before, schema),
    schema,
    writer,
  });
  const isKubectl = writer.manager === kubectlManager;
  const remaining = isKubectl ? withoutLastApplied(conflicts, live, schema) : conflicts;
  if (remaining.length > 0 && !isForced) throw applyConflict(remaining);
  const whole = named(object, config);
  if (isKubectl) syncLastApplied(whole, config);
  return { object: whole, entries: writeOwners(owners.values()) };
}

function ownersOf(
  live: ApiObject | undefined,
  { before, schema, writer }: { readonly before: Fields; readonly schema: JsonSchema; readonly writer: Writer },
): ReadonlyMap<string, Owner> {
  const entries = storedEntries(live);
  if (entries.length > 0) return storedOwners(entries);
  const owners = new Map<string, Owner>();
  const { apiVersion, time } = writer;
  takeFields(owners, compareFields(unmade, before, schema), { manager: beforeFirstApply, apiVersion, time });
  return owners;
}

/** With what names the object, and what the configuration demands of the stored one. */
function named({ metadata, ...rest }: Fields, { apiVersion, kind, metadata: meta }: ApiObject): ApiObject {
  const { name, namespace, uid, resourceVersion } = meta;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(metadata as object),
    },
    ...rest,
  };
}
