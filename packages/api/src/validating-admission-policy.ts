// admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy: conditions on what is written, in CEL.

import type { Static } from "typebox";
import { admissionRegistration, matchResources } from "./admission-match.ts";
import { conditions } from "./common-fields.ts";
import { choice, int64, list, listByKey, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const expression = (description: string) => string(description, { minLength: 1 });

const spec = struct("What is checked, and of which requests.", {
  paramKind: optional(
    struct("Kind of the objects that bindings name as parameters.", {
      apiVersion: string("Group and version."),
      kind: string("Kind."),
    }),
  ),
  matchConstraints: optional(matchResources("Requests that the policy is about.")),
  matchConditions: optional(
    listByKey(
      "Conditions that must hold for the policy to be asked.",
      "name",
      struct("One condition.", { name: string("Name for messages."), expression: expression("In CEL: a bool.") }),
    ),
  ),
  variables: optional(
    listByKey(
      "Values that later expressions use as `variables.name`.",
      "name",
      struct("One value, computed when it is first used.", {
        name: string("An identifier."),
        expression: expression("In CEL."),
      }),
    ),
  ),
  validations: optional(
    list(
      "What must hold.",
      struct("One condition.", {
        expression: expression(
          "In CEL: a bool. Knows object, oldObject, request, params, namespaceObject and variables.",
        ),
        message: optional(string("What to say when it does not hold.")),
        messageExpression: optional(string("The message in CEL, in place of `message`.")),
        reason: optional(
          choice("Why it is refused, for programs.", ["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"]),
        ),
      }),
    ),
  ),
  auditAnnotations: optional(
    listByKey(
      "What to remember of a request.",
      "key",
      struct("One annotation.", {
        key: string("Name of the annotation."),
        valueExpression: expression("In CEL: a string, or null for none."),
      }),
    ),
  ),
  failurePolicy: optional(
    choice("What an expression that fails means for the request.", ["Fail", "Ignore"], { default: "Fail" }),
  ),
});

const status = struct("What became of it.", {
  observedGeneration: optional(int64("metadata.generation that was looked at.")),
  conditions: optional(conditions("Nothing yet.")),
});

export type ValidatingAdmissionPolicySpec = Static<typeof spec>;
export type ValidatingAdmissionPolicy = KubeObject & { spec: ValidatingAdmissionPolicySpec };

export const ValidatingAdmissionPolicy: KindDefinition<ValidatingAdmissionPolicy> = defineKind({
  ...admissionRegistration,
  kind: "ValidatingAdmissionPolicy",
  plural: "validatingadmissionpolicies",
  namespaced: false,
  categories: ["api-extensions"],
  description:
    "Conditions on what is written, in CEL. It does nothing until a ValidatingAdmissionPolicyBinding names it.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "ParamKind", type: "string", jsonPath: ".spec.paramKind.kind" },
    { name: "FailurePolicy", type: "string", jsonPath: ".spec.failurePolicy" },
    ageColumn,
  ],
});
