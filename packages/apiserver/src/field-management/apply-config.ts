// Server-side apply: merges a configuration into the stored object, takes out what its manager applied before and nobody wants any more, and
// says who owns what from then on (sigs.k8s.io/structured-merge-diff/merge/update.go).

import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { compareFields } from "./compare-fields.ts";
import { difference, intersection, isEmpty, nothing, union, type FieldSet } from "./field-set.ts";
import { claimedFields } from "./fields-of.ts";
import { ownerId, type Owner } from "./managed-fields.ts";
import { mergeMaps } from "./merge-values.ts";
import type { Fields } from "./merge-shape.ts";
import { withNamedFields } from "./named-fields.ts";
import { removeFields } from "./remove-fields.ts";
import type { Writer } from "./track-write.ts";

export interface ApplyRequest {
  /** The ownable part of what is stored. */
  readonly live: Fields;
  /** The ownable part of what is applied. */
  readonly config: Fields;
  readonly owners: ReadonlyMap<string, Owner>;
  readonly schema: JsonSchema;
  readonly writer: Writer;
}

/** Fields that others own and that the configuration would change. */
export interface OwnershipConflict {
  readonly owner: Owner;
  readonly fields: FieldSet;
}

export interface ApplyResult {
  readonly object: Fields;
  /** Of the object when the conflicts are overruled. */
  readonly owners: Map<string, Owner>;
  readonly conflicts: readonly OwnershipConflict[];
}

/** Nobody owns it as a whole. */
const metadata: FieldSet = { "f:metadata": nothing };

export function applyConfig({ live, config, owners, schema, writer }: ApplyRequest): ApplyResult {
  const id = ownerId({ ...writer, operation: "Apply" });
  const last = owners.get(id);
  const claimed = difference(claimedFields(config, schema) ?? nothing, metadata);
  const others = [...owners].filter(([other]) => other !== id);
  const wanted = others.reduce((sum, [, owner]) => union(sum, owner.fields), claimed);
  const merged = mergeMaps(live, config, schema);
  const object = last === undefined ? merged : prune(merged, { last: last.fields, wanted, schema });
  const { added, modified, removed } = compareFields(live, object, schema);
  const changed = union(added, modified);
  const conflicts = others
    .map(([, owner]) => ({ owner, fields: intersection(owner.fields, changed) }))
    .filter(({ fields }) => !isEmpty(fields));
  const lost = union(changed, removed);
  const isSame = last !== undefined && isEmpty(lost) && isDeepStrictEqual(last.fields, claimed);
  const time = isSame ? last.time : writer.time;
  const { manager, apiVersion, subresource } = writer;
  const next = new Map(others.map(([other, owner]) => [other, { ...owner, fields: difference(owner.fields, lost) }]));
  next.set(id, {
    manager,
    operation: "Apply",
    apiVersion,
    ...(time !== undefined && { time }),
    ...(subresource !== undefined && { subresource }),
    fields: claimed,
  });
  return { object, owners: next, conflicts };
}

/** Removes what the manager applied before, does not apply now, and nobody else owns. */
function prune(
  merged: Fields,
  { last, wanted, schema }: { readonly last: FieldSet; readonly wanted: FieldSet; readonly schema: JsonSchema },
): Fields {
  if (isEmpty(last)) return merged;
  const named = (set: FieldSet): FieldSet => withNamedFields(set, schema);
  const fieldsOf = (object: Fields): FieldSet => named(claimedFields(object, schema) ?? nothing);
  const all = fieldsOf(merged);
  const withoutLast = removeFields(merged, named(last), schema);
  const owned = removeFields(merged, difference(all, union(fieldsOf(withoutLast), named(wanted))), schema);
  // What nobody owns stays: only the manager's own fields go.
  return removeFields(merged, intersection(difference(all, fieldsOf(owned)), named(last)), schema);
}
