// `immutable: true` of Secrets and ConfigMaps: the data stays as it is, and so does the mark.

import { isDeepStrictEqual } from "node:util";
import { forbiddenField, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";

export function checkImmutable(object: ApiObject, old: ApiObject | undefined, fields: readonly string[]): FieldError[] {
  if (old?.["immutable"] !== true) return [];
  const changed = fields.filter((field) => !isDeepStrictEqual(object[field] ?? {}, old[field] ?? {}));
  return [...(object["immutable"] === true ? [] : ["immutable"]), ...changed].map((field) =>
    forbiddenField(field, "field is immutable when `immutable` is set"),
  );
}
