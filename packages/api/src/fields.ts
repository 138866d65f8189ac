// The vocabulary that schemas are written in: one function per type of field. Each gives a structural schema as CRDs allow it
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema)
// and carries the description that `kubectl explain` prints.

import { Type } from "typebox";
import type { Static, TArray, TObject, TProperties, TSchema, TUnsafe } from "typebox";

export const optional = Type.Optional;

interface StringOptions {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly default?: string;
}

interface NumberOptions {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: number;
}

export function struct<Properties extends TProperties>(
  description: string,
  properties: Properties,
): TObject<Properties> {
  return Type.Object(properties, { description });
}

export function list<Item extends TSchema>(
  description: string,
  item: Item,
  options: { readonly minItems?: number; readonly maxItems?: number } = {},
): TArray<Item> {
  return Type.Array(item, { description, ...options });
}

/** A list whose entries are told apart by one field, so that two writers can each own theirs. */
export function listByKey<Item extends TSchema>(
  description: string,
  key: string,
  item: Item,
  options: { readonly maxItems?: number } = {},
): TArray<Item> {
  return Type.Array(item, {
    description,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": [key],
    ...options,
  });
}

export function map<Value extends TSchema>(
  description: string,
  value: Value,
  options: { readonly maxProperties?: number } = {},
): TUnsafe<Record<string, Static<Value>>> {
  return Type.Unsafe({ type: "object", description, additionalProperties: value, ...options });
}

export function stringMap(
  description: string,
  options: { readonly maxProperties?: number } = {},
): TUnsafe<Record<string, string>> {
  return Type.Unsafe({ type: "object", description, additionalProperties: { type: "string" }, ...options });
}

/** An object whose fields are not ours to know, such as a core/v1 Affinity: kept as it is written. */
export function opaque(description: string): TUnsafe<Record<string, unknown>> {
  return Type.Unsafe({ type: "object", description, "x-kubernetes-preserve-unknown-fields": true });
}

/** For a field that has more than one shape: kept as it is written. */
export function anyOf<Shapes>(description: string): TUnsafe<Shapes> {
  return Type.Unsafe({ description, "x-kubernetes-preserve-unknown-fields": true });
}

export function string(description: string, options: StringOptions = {}): TUnsafe<string> {
  return Type.Unsafe({ type: "string", description, ...options });
}

export function choice<const Values extends readonly string[]>(
  description: string,
  values: Values,
  options: { readonly default?: Values[number] } = {},
): TUnsafe<Values[number]> {
  return Type.Unsafe({ type: "string", description, enum: [...values], ...options });
}

export function boolean(description: string, options: { readonly default?: boolean } = {}): TUnsafe<boolean> {
  return Type.Unsafe({ type: "boolean", description, ...options });
}

export function int32(description: string, options: NumberOptions = {}): TUnsafe<number> {
  return Type.Unsafe({ type: "integer", format: "int32", description, ...options });
}

export function int64(description: string, options: NumberOptions = {}): TUnsafe<number> {
  return Type.Unsafe({ type: "integer", format: "int64", description, ...options });
}

/** RFC 3339. */
export function dateTime(description: string): TUnsafe<string> {
  return Type.Unsafe({ type: "string", format: "date-time", description });
}

/** A count such as `2`, or a share such as `25%`; read it with `parseCountOrShare`. */
export function countOrShare(
  description: string,
  options: { readonly default?: number | string } = {},
): TUnsafe<string | number> {
  return Type.Unsafe({
    anyOf: [{ type: "integer" }, { type: "string" }],
    description,
    pattern: "^[0-9]+%?$",
    "x-kubernetes-int-or-string": true,
    ...options,
  });
}

const durationPattern = "^(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w))+)$";

/** A Go duration such as `1h30m`; read it with `parseDuration`. */
export function duration(description: string, options: { readonly default?: string } = {}): TUnsafe<string> {
  return Type.Unsafe({ type: "string", description, pattern: durationPattern, ...options });
}

// https://github.com/kubernetes/apimachinery/blob/master/pkg/api/resource/quantity.go, as controller-gen writes it.
const quantityPattern =
  "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$";

/** A Kubernetes quantity such as `4Gi` or `1073741824`; read it with `parseQuantity`. */
export function quantity(description: string, options: { readonly default?: string } = {}): TUnsafe<string | number> {
  return Type.Unsafe({
    anyOf: [{ type: "integer" }, { type: "string" }],
    description,
    pattern: quantityPattern,
    "x-kubernetes-int-or-string": true,
    ...options,
  });
}
