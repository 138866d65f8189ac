// Keys and total size of the data of Secrets and ConfigMaps.

import { invalidValue, tooLong, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";

const maxDataBytes = 1024 * 1024;
const keyPattern = /^[-._a-zA-Z0-9]+$/;

export function checkDataKeys(object: ApiObject, fields: readonly string[]): FieldError[] {
  let size = 0;
  const errors = fields.flatMap((field) =>
    Object.entries((object[field] ?? {}) as Record<string, unknown>).flatMap(([key, value]) => {
      if (typeof value === "string") size += value.length;
      return keyPattern.test(key) && key.length <= 253 && key !== "." && !key.startsWith("..")
        ? []
        : [
            invalidValue(
              `${field}[${key}]`,
              key,
              "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            ),
          ];
    }),
  );
  return size > maxDataBytes ? [...errors, tooLong(fields[0] ?? "data", maxDataBytes)] : errors;
}
