// ResourceQuota: the names must be ones that can be counted, and the amounts not negative. What is used is counted by src/quota.

import { isQualifiedName, qualifiedNameRule } from "../meta/names.ts";
import { parseAmount } from "../quota/amount.ts";
import { isStandardName } from "../quota/quota-names.ts";
import { invalidValue, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { ageColumn } from "./age-column.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

interface QuotaParts {
  readonly spec?: { readonly hard?: Readonly<Record<string, unknown>> };
  readonly status?: {
    readonly hard?: Readonly<Record<string, unknown>>;
    readonly used?: Readonly<Record<string, unknown>>;
  };
}

const parts = (object: ApiObject): QuotaParts => object as ApiObject & QuotaParts;
const shown = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? String(value) : "0";

export const resourceQuotaStrategy: Strategy = {
  ...coreStrategy,
  columns: [
    {
      name: "Request",
      type: "string",
      description: "What is used of what is allowed.",
      cell: (object) => usage(object, (name) => !name.startsWith("limits.")),
    },
    {
      name: "Limit",
      type: "string",
      description: "The same for limits.",
      cell: (object) => usage(object, (name) => name.startsWith("limits.")),
    },
    ageColumn,
  ],
  validate(object) {
    return Object.entries(parts(object).spec?.hard ?? {}).flatMap(([name, amount]) => [
      ...checkName(name),
      ...checkAmount(name, amount),
    ]);
  },
};

function usage(object: ApiObject, isShown: (name: string) => boolean): string {
  const { status = {} } = parts(object);
  return Object.keys(status.hard ?? {})
    .filter(isShown)
    .toSorted()
    .map((name) => `${name}: ${shown(status.used?.[name])}/${shown(status.hard?.[name])}`)
    .join(", ");
}

function checkName(name: string): FieldError[] {
  const field = `spec.hard[${name}]`;
  if (!isQualifiedName(name)) return [invalidValue(field, name, qualifiedNameRule)];
  if (name.includes("/") || isStandardName(name)) return [];
  return [
    invalidValue(field, name, "must be a standard resource type or fully qualified"),
    invalidValue(field, name, "must be a standard resource for quota"),
  ];
}

function checkAmount(name: string, amount: unknown): FieldError[] {
  const field = `spec.hard[${name}]`;
  const parsed = parseAmount(amount);
  if (parsed === undefined)
    return [
      invalidValue(
        field,
        amount,
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
      ),
    ];
  return parsed.milli < 0n ? [invalidValue(field, amount, "must be greater than or equal to 0")] : [];
}
