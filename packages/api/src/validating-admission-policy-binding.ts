// admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding: puts a policy into force, with parameters.

import type { Static } from "typebox";
import { admissionRegistration, labelSelector, matchResources } from "./admission-match.ts";
import { choice, list, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const spec = struct("Which policy, where, and with what.", {
  policyName: string("Name of the ValidatingAdmissionPolicy.", { minLength: 1 }),
  paramRef: optional(
    struct("Objects of the policy's paramKind. The policy is asked once with each.", {
      name: optional(string("Name of one object.")),
      namespace: optional(string("Its namespace; that of the request when absent.")),
      selector: optional(labelSelector("All objects with these labels.")),
      parameterNotFoundAction: optional(choice("What it means when there is none.", ["Allow", "Deny"])),
    }),
  ),
  matchResources: optional(matchResources("Requests that this binding is about, of those that the policy is about.")),
  validationActions: list(
    "What happens when a condition does not hold: Deny refuses, Warn tells the client, Audit notes it in the audit log.",
    choice("One action.", ["Deny", "Warn", "Audit"]),
  ),
});

export type ValidatingAdmissionPolicyBindingSpec = Static<typeof spec>;
export type ValidatingAdmissionPolicyBinding = KubeObject & { spec: ValidatingAdmissionPolicyBindingSpec };

export const ValidatingAdmissionPolicyBinding: KindDefinition<ValidatingAdmissionPolicyBinding> = defineKind({
  ...admissionRegistration,
  kind: "ValidatingAdmissionPolicyBinding",
  plural: "validatingadmissionpolicybindings",
  namespaced: false,
  categories: ["api-extensions"],
  description: "Puts a ValidatingAdmissionPolicy into force.",
  hasStatus: false,
  schema: struct("", { spec }),
  printerColumns: [
    { name: "PolicyName", type: "string", jsonPath: ".spec.policyName" },
    { name: "ParamRef", type: "string", jsonPath: ".spec.paramRef.name" },
    ageColumn,
  ],
});
