// metadata.managedFields: who owns which fields. Entries are read into owners by what makes them distinct, and written back in Kubernetes'
// order.

import type { ApiObject } from "../stored-object.ts";
import { elementsOf, isEmpty, nothing, type FieldSet } from "./field-set.ts";

/** One entry on the wire. */
export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly time?: string;
  readonly fieldsType: "FieldsV1";
  readonly fieldsV1: FieldSet;
  readonly subresource?: string;
}

/** An entry without its form. */
export type Owner = Omit<ManagedFieldsEntry, "fieldsType" | "fieldsV1"> & { readonly fields: FieldSet };

/** One manager that applies is one owner in all versions; one that updates is another one in each. */
export function ownerId({ manager, operation, apiVersion, subresource = "" }: Omit<Owner, "fields" | "time">): string {
  return JSON.stringify([operation, manager, subresource, operation === "Update" ? apiVersion : ""]);
}

export function storedEntries(object: ApiObject | undefined): readonly ManagedFieldsEntry[] {
  return (object?.metadata.managedFields ?? []) as readonly ManagedFieldsEntry[];
}

/** Owners from what is stored, which this server has written. */
export function storedOwners(entries: readonly ManagedFieldsEntry[]): Map<string, Owner> {
  return new Map(
    entries.map(({ fieldsType: _fieldsType, fieldsV1: fields, ...entry }) => {
      const owner = { ...entry, fields };
      return [ownerId(owner), owner];
    }),
  );
}

/** Undefined when it is not a list of well-formed entries: clients send what they like. */
export function readOwners(value: unknown): Map<string, Owner> | undefined {
  if (!Array.isArray(value)) return undefined;
  const owners = new Map<string, Owner>();
  for (const entry of value) {
    const owner = readOwner(entry);
    if (owner === undefined) return undefined;
    owners.set(ownerId(owner), owner);
  }
  return owners;
}

export function writeOwners(owners: Iterable<Owner>): ManagedFieldsEntry[] {
  return [...owners]
    .filter((owner) => !isEmpty(owner.fields))
    .toSorted(compareOwners)
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time !== undefined && { time }),
      fieldsType: "FieldsV1",
      fieldsV1: fields,
      ...(subresource !== undefined && { subresource }),
    }));
}

function compareOwners(a: Owner, b: Owner): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time, b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a = "", b = ""): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function readOwner(entry: unknown): Owner | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const {
    manager = "",
    operation,
    apiVersion,
    time,
    fieldsType,
    fieldsV1,
    subresource,
  } = entry as Partial<Record<string, unknown>>;
  if (operation !== "Apply" && operation !== "Update") return undefined;
  if (typeof manager !== "string" || typeof apiVersion !== "string" || fieldsType !== "FieldsV1") return undefined;
  const fields = readFieldSet(fieldsV1);
  if (fields === undefined) return undefined;
  return {
    manager,
    operation,
    apiVersion,
    ...(typeof time === "string" && { time }),
    ...(typeof subresource === "string" && subresource !== "" && { subresource }),
    fields,
  };
}

/** With its path elements in the form that this server writes, in which they compare as text. */
function readFieldSet(value: unknown): FieldSet | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const out: Record<string, FieldSet> = {};
  if (Object.hasOwn(value, ".")) out["."] = nothing;
  for (const [element, child] of elementsOf(value as FieldSet)) {
    const canonical = canonicalElement(element);
    const below = readFieldSet(child);
    if (canonical === undefined || below === undefined) return undefined;
    out[canonical] = below;
  }
  return out;
}

function canonicalElement(element: string): string | undefined {
  const form = element.slice(0, 2);
  const content = element.slice(2);
  switch (form) {
    case "f:":
      return element;
    case "i:":
      return /^\d+$/.test(content) ? element : undefined;
    case "v:":
    case "k:":
      try {
        const value: unknown = JSON.parse(content);
        if (form === "v:") return `v:${JSON.stringify(value)}`;
        if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
        const keys = Object.entries(value).toSorted(([a], [b]) => compareText(a, b));
        return `k:${JSON.stringify(Object.fromEntries(keys))}`;
      } catch {
        return undefined;
      }
    default:
      return undefined;
  }
}
