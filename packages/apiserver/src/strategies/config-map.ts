// ConfigMap: may be immutable; shows how many entries it has.

import { invalidValue } from "../schema/field-error.ts";
import { checkDataKeys } from "./data-keys.ts";
import { checkImmutable } from "./immutable-data.ts";
import { ageColumn } from "./age-column.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

const fields = ["data", "binaryData"];

export const configMapStrategy: Strategy = {
  ...coreStrategy,
  columns: [
    {
      name: "Data",
      type: "string",
      description: "Number of entries.",
      cell: (object) =>
        fields.reduce((sum, field) => sum + Object.keys((object[field] as object | undefined) ?? {}).length, 0),
    },
    ageColumn,
  ],
  validate(object, old) {
    const data = (object["data"] ?? {}) as Record<string, unknown>;
    const both = Object.keys((object["binaryData"] as object | undefined) ?? {}).filter((key) => key in data);
    return [
      ...checkDataKeys(object, fields),
      ...both.map((key) => invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData")),
      ...checkImmutable(object, old, fields),
    ];
  },
};
