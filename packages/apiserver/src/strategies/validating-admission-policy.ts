// ValidatingAdmissionPolicy and its binding: expressions are compiled when they are written, not when the first request comes.

import type {
  ValidatingAdmissionPolicyBindingSpec,
  ValidatingAdmissionPolicySpec,
  AdmissionMatch,
} from "@vivarium/api";
import { compilePolicy } from "../admission/policies/compile-policy.ts";
import {
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  type FieldError,
} from "../schema/field-error.ts";
import { customResourceStrategy, type Strategy } from "./strategy.ts";

const common: Strategy = { ...customResourceStrategy, takesStrategicMerge: true };

export const admissionPolicyStrategy: Strategy = {
  ...common,
  validate(object) {
    const spec = object["spec"] as ValidatingAdmissionPolicySpec;
    const { matchConstraints, validations = [], auditAnnotations = [] } = spec;
    return [
      ...(matchConstraints === undefined ? [required("spec.matchConstraints")] : checkMatch(matchConstraints)),
      ...((matchConstraints?.resourceRules ?? []).length === 0
        ? [required("spec.matchConstraints.resourceRules")]
        : []),
      ...(validations.length + auditAnnotations.length === 0
        ? [required("spec.validations", "validations or auditAnnotations must be non-empty")]
        : []),
      ...compilePolicy(spec).errors,
    ];
  },
};

export const admissionPolicyBindingStrategy: Strategy = {
  ...common,
  validate(object) {
    const { paramRef, validationActions } = object["spec"] as ValidatingAdmissionPolicyBindingSpec;
    const field = "spec.validationActions";
    const errors: FieldError[] = [];
    if (validationActions.length === 0) errors.push(required(field, "at least one validation action is required"));
    if (validationActions.includes("Deny") && validationActions.includes("Warn"))
      errors.push(
        invalidValue(
          field,
          validationActions,
          "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        ),
      );
    validationActions.forEach((action, index) => {
      if (validationActions.indexOf(action) !== index) errors.push(duplicate(`${field}[${index}]`, action));
    });
    if (paramRef === undefined) return errors;
    const { name, selector, parameterNotFoundAction } = paramRef;
    if (name === undefined && selector === undefined)
      errors.push(required("spec.paramRef", "one of name or selector must be specified"));
    if (name !== undefined && selector !== undefined)
      errors.push(forbiddenField("spec.paramRef.name", "name and selector are mutually exclusive"));
    if (parameterNotFoundAction === undefined) errors.push(required("spec.paramRef.parameterNotFoundAction"));
    return errors;
  },
};

function checkMatch({ resourceRules = [], excludeResourceRules = [] }: AdmissionMatch): FieldError[] {
  const named = [
    ...resourceRules.map((rule, index) => ({ rule, path: `spec.matchConstraints.resourceRules[${index}]` })),
    ...excludeResourceRules.map((rule, index) => ({
      rule,
      path: `spec.matchConstraints.excludeResourceRules[${index}]`,
    })),
  ];
  return named.flatMap(({ rule, path }) => [
    ...(["operations", "apiGroups", "apiVersions", "resources"] as const)
      .filter((field) => rule[field].length === 0)
      .map((field) => required(`${path}.${field}`)),
    ...(rule.operations.includes("*") && rule.operations.length > 1
      ? [notSupported(`${path}.operations`, rule.operations, ["* alone, or operations by name"])]
      : []),
  ]);
}
