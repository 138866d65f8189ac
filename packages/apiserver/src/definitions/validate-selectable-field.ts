// A field that selectors may name: a simple path to a scalar that the schema declares.

import type { JsonSchema } from "../custom-resource-definition.ts";
import { invalidValue, required, type FieldError } from "../schema/field-error.ts";

const simplePath = /^(?:\.[A-Za-z_][\w-]*)+$/;

export function validateSelectableField(jsonPath: string, schema: JsonSchema, field: string): FieldError[] {
  if (jsonPath === "") return [required(field)];
  if (!simplePath.test(jsonPath)) return [invalidValue(field, jsonPath, "is an invalid path: must be a simple path")];
  if (jsonPath.startsWith(".metadata.")) return [invalidValue(field, jsonPath, "must not point to fields in metadata")];
  const found = jsonPath
    .split(".")
    .slice(1)
    .reduce<JsonSchema | undefined>((node, name) => node?.properties?.[name], schema);
  if (found === undefined)
    return [invalidValue(field, jsonPath, "is an invalid path: does not refer to a valid field")];
  return ["string", "boolean", "integer"].includes(found.type ?? "")
    ? []
    : [
        invalidValue(
          field,
          jsonPath,
          "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
        ),
      ];
}
