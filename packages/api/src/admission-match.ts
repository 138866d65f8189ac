// The fields that admission policies and their bindings share: which requests they are about.

import type { Static } from "typebox";
import { choice, list, optional, string, stringMap, struct } from "./fields.ts";

/** Group and version of the kinds that say what may be written. */
export const admissionRegistration = { group: "admissionregistration.k8s.io", version: "v1" } as const;

export const labelSelector = (description: string) =>
  struct(description, {
    matchLabels: optional(stringMap("Labels that must be there with these values.")),
    matchExpressions: optional(
      list(
        "Conditions that must all hold.",
        struct("One condition.", {
          key: string("Name of the label."),
          operator: choice("How the label is looked at.", ["In", "NotIn", "Exists", "DoesNotExist"]),
          values: optional(list("Values for In and NotIn.", string("One value."))),
        }),
      ),
    ),
  });

export type LabelSelector = Static<ReturnType<typeof labelSelector>>;

const resourceRule = struct("Requests of these operations on these resources.", {
  operations: list(
    "`CREATE`, `UPDATE`, `DELETE`, `CONNECT` or `*`.",
    choice("One operation.", ["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]),
  ),
  apiGroups: list("API groups; empty text for the core group, `*` for all.", string("One group.")),
  apiVersions: list("Versions, or `*`.", string("One version.")),
  resources: list(
    "Plural names, `plural/subresource`, `*`, `*/*`, `*/subresource` or `plural/*`.",
    string("One resource."),
  ),
  resourceNames: optional(list("Only objects with these names; all when empty.", string("One name."))),
  scope: optional(choice("Of what scope.", ["Cluster", "Namespaced", "*"], { default: "*" })),
});

export type AdmissionResourceRule = Static<typeof resourceRule>;

export const matchResources = (description: string) =>
  struct(description, {
    resourceRules: optional(list("Requests that it is about: at least one rule fits.", resourceRule)),
    excludeResourceRules: optional(list("Requests that it is not about.", resourceRule)),
    namespaceSelector: optional(labelSelector("Labels of the object's namespace.")),
    objectSelector: optional(labelSelector("Labels of the object, new or old.")),
    matchPolicy: optional(
      choice("Whether a rule for one version of a kind is about its other versions too.", ["Exact", "Equivalent"], {
        default: "Equivalent",
      }),
    ),
  });

export type AdmissionMatch = Static<ReturnType<typeof matchResources>>;
