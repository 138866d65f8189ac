// Field errors with the wording of Kubernetes' validation/field package; each becomes one cause of an Invalid status.

import type { StatusCause } from "@vivarium/api";

export type FieldError = StatusCause;

export function invalidValue(field: string, value: unknown, why: string): FieldError {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${show(value)}: ${why}` };
}

/** `value` is shown by its type, as kube-apiserver does. */
export function wrongType(field: string, value: unknown, wanted: string): FieldError {
  const type = typeName(value);
  return {
    reason: "FieldValueTypeInvalid",
    field,
    message: `Invalid value: ${JSON.stringify(type)}: ${field} in body must be of type ${wanted}: ${JSON.stringify(type)}`,
  };
}

export function required(field: string, why = ""): FieldError {
  return { reason: "FieldValueRequired", field, message: why === "" ? "Required value" : `Required value: ${why}` };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${show(value)}` };
}

export function notSupported(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const values = supported.map((each) => JSON.stringify(each)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${show(value)}: supported values: ${values}`,
  };
}

export function forbiddenField(field: string, why: string): FieldError {
  return { reason: "FieldValueForbidden", field, message: `Forbidden: ${why}` };
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return { reason: "FieldValueTooLong", field, message: `Too long: may not be more than ${maxBytes} bytes` };
}

export function tooMany(field: string, count: number, maxItems: number): FieldError {
  return { reason: "FieldValueTooMany", field, message: `Too many: ${count}: must have at most ${maxItems} items` };
}

const maxShown = 256;

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? "null";
  return shown.length > maxShown ? `${shown.slice(0, maxShown)}…` : shown;
}

export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}
