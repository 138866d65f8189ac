// Who owns the fields after a create, PUT or patch: what the write adds or changes belongs to the writer alone, what it removes to nobody.
// Runs with every write: what changes nothing that can be owned costs one walk over the object.

import type { JsonSchema } from "../custom-resource-definition.ts";
import type { ApiObject } from "../stored-object.ts";
import { capOwners } from "./cap-owners.ts";
import { compareFields, isSameFields, type Comparison } from "./compare-fields.ts";
import { difference, isEmpty, nothing, union, type FieldSet } from "./field-set.ts";
import {
  ownerId,
  readOwners,
  storedEntries,
  storedOwners,
  writeOwners,
  type ManagedFieldsEntry,
  type Owner,
} from "./managed-fields.ts";
import type { Fields } from "./merge-shape.ts";
import { ownablePart } from "./ownable-part.ts";

/** Who writes, when, and through what. */
export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly time: string;
  readonly subresource?: string;
}

export interface TrackedWrite {
  readonly object: ApiObject;
  /** What is stored; absent at create. */
  readonly old: ApiObject | undefined;
  /** managedFields as the caller sent them. */
  readonly given: readonly unknown[] | undefined;
  readonly schema: JsonSchema;
  readonly writer: Writer;
}

/** The ownable part of what is not there yet. The metadata is nobody's, only what is in it. */
export const unmade: Fields = { metadata: {} };

export function trackWrite({ object, old, given, schema, writer }: TrackedWrite): readonly ManagedFieldsEntry[] {
  const known = writer.subresource === undefined ? (given ?? []) : [];
  if (isReset(known)) return [];
  const stored = storedEntries(old);
  // Objects from before fields had owners stay without, until somebody applies one.
  if (old !== undefined && stored.length === 0 && known.length === 0) return [];
  const comparison = compareFields(old === undefined ? unmade : ownablePart(old), ownablePart(object), schema);
  const isKept = known.length === 0 || isSameList(known, stored);
  if (isKept && isSameFields(comparison)) return stored;
  const owners = (isKept ? undefined : nonEmpty(readOwners(known))) ?? storedOwners(stored);
  takeFields(owners, comparison, writer);
  capOwners(owners);
  return writeOwners(owners.values());
}

/** Changes `owners`. */
export function takeFields(owners: Map<string, Owner>, { added, modified, removed }: Comparison, writer: Writer): void {
  const taken = union(added, modified);
  const lost = union(taken, removed);
  for (const [id, owner] of owners) owners.set(id, { ...owner, fields: difference(owner.fields, lost) });
  if (isEmpty(taken)) return;
  const id = ownerId({ ...writer, operation: "Update" });
  const { manager, apiVersion, time, subresource } = writer;
  owners.set(id, {
    manager,
    operation: "Update",
    apiVersion,
    time,
    ...(subresource !== undefined && { subresource }),
    fields: union(fieldsOf(owners.get(id)), taken),
  });
}

function fieldsOf(owner: Owner | undefined): FieldSet {
  return owner?.fields ?? nothing;
}

/** `[{}]` asks to forget all owners; an empty list does not, since clients that know nothing of them send none. */
function isReset(given: readonly unknown[]): boolean {
  const [first] = given;
  return given.length === 1 && typeof first === "object" && first !== null && Object.keys(first).length === 0;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
}

function nonEmpty(owners: Map<string, Owner> | undefined): Map<string, Owner> | undefined {
  return owners === undefined || owners.size === 0 ? undefined : owners;
}
