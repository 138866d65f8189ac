// Role and ClusterRole: each rule says something, and of resources or of paths, never of both.

import type { PolicyRule } from "@vivarium/api";
import { invalidValue, required, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { textOf } from "./text-of.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

const common: Strategy = {
  ...coreStrategy,
  nameRule: "path-segment",
  columns: [
    {
      name: "Created At",
      type: "string",
      description: "When it was made.",
      cell: (object) => textOf(object.metadata.creationTimestamp),
    },
  ],
};

export const roleStrategy: Strategy = {
  ...common,
  validate: (object) =>
    rulesOf(object).flatMap((rule, index) => [
      ...checkRule(rule, `rules[${index}]`),
      ...((rule.nonResourceURLs ?? []).length > 0
        ? [
            invalidValue(
              `rules[${index}].nonResourceURLs`,
              rule.nonResourceURLs,
              "namespaced rules cannot apply to non-resource URLs",
            ),
          ]
        : []),
    ]),
};

export const clusterRoleStrategy: Strategy = {
  ...common,
  validate: (object) => rulesOf(object).flatMap((rule, index) => checkRule(rule, `rules[${index}]`)),
};

function rulesOf(object: ApiObject): readonly PolicyRule[] {
  return (object["rules"] ?? []) as readonly PolicyRule[];
}

// https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/validation/validation.go
function checkRule(rule: PolicyRule, path: string): FieldError[] {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const errors = verbs.length === 0 ? [required(`${path}.verbs`, "verbs must contain at least one value")] : [];
  if (nonResourceURLs.length > 0) {
    return apiGroups.length + resources.length + resourceNames.length === 0
      ? errors
      : [
          ...errors,
          invalidValue(
            `${path}.nonResourceURLs`,
            nonResourceURLs,
            "rules cannot apply to both regular resources and non-resource URLs",
          ),
        ];
  }
  return [
    ...errors,
    ...(apiGroups.length === 0
      ? [required(`${path}.apiGroups`, "resource rules must supply at least one api group")]
      : []),
    ...(resources.length === 0
      ? [required(`${path}.resources`, "resource rules must supply at least one resource")]
      : []),
  ];
}
