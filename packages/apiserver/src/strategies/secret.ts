// Secret: stringData is written into data; type never changes; may be immutable.

import { forbiddenField, invalidValue, required, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { ageColumn } from "./age-column.ts";
import { checkDataKeys } from "./data-keys.ts";
import { checkImmutable } from "./immutable-data.ts";
import { textOf } from "./text-of.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

/** Entries that a type cannot do without (https://kubernetes.io/docs/concepts/configuration/secret/#secret-types). */
const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
};

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const secretStrategy: Strategy = {
  ...coreStrategy,
  selectableFields: ["type"],
  columns: [
    {
      name: "Type",
      type: "string",
      description: "Type of the secret.",
      cell: (object) => textOf(object["type"]),
    },
    {
      name: "Data",
      type: "string",
      description: "Number of entries.",
      cell: (object) => Object.keys((object["data"] as object | undefined) ?? {}).length,
    },
    ageColumn,
  ],
  prepare(object) {
    object["type"] ??= "Opaque";
    const { stringData, data = {} } = object;
    // Left as it is when it is not what it should be, for validation to refuse.
    if (!isRecord(stringData) || !isRecord(data)) return;
    const entries = Object.entries(stringData);
    if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string")) return;
    const encoded = entries.map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
    object["data"] = { ...data, ...Object.fromEntries(encoded) };
    delete object["stringData"];
  },
  validate(object, old) {
    return [
      ...checkDataKeys(object, ["data"]),
      ...checkEncoding(object),
      ...checkRequiredKeys(object),
      ...(old !== undefined && old["type"] !== object["type"]
        ? [invalidValue("type", object["type"], "field is immutable")]
        : []),
      ...checkImmutable(object, old, ["data"]),
    ];
  },
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkEncoding(object: ApiObject): FieldError[] {
  return Object.entries((object["data"] ?? {}) as Record<string, unknown>).flatMap(([key, value]) =>
    value === null || (typeof value === "string" && base64.test(value.replaceAll(/[\r\n]/g, "")))
      ? []
      : // The value stays out of the message: it may be the secret itself.
        [forbiddenField(`data[${key}]`, "must be base64; put plain text into stringData")],
  );
}

function checkRequiredKeys(object: ApiObject): FieldError[] {
  const data = (object["data"] ?? {}) as Record<string, unknown>;
  return (requiredKeys[textOf(object["type"])] ?? [])
    .filter((key) => data[key] === undefined)
    .map((key) => required(`data[${key}]`));
}
