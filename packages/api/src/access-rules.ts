// The fields that the four kinds of rbac.authorization.k8s.io share.

import type { Static } from "typebox";
import { list, optional, string, struct } from "./fields.ts";

/** Group and version of the kinds that say who may do what. */
export const rbac = { group: "rbac.authorization.k8s.io", version: "v1" } as const;

const policyRule = struct("What is allowed: every verb on every resource that is named.", {
  verbs: list("`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …, or `*`.", string("One verb.")),
  apiGroups: optional(list("API groups; empty text for the core group, `*` for all.", string("One group."))),
  resources: optional(
    list("Plural names, `plural/subresource`, `*/subresource`, or `*` for all.", string("One resource.")),
  ),
  resourceNames: optional(list("Only objects with these names; all when empty.", string("One name."))),
  nonResourceURLs: optional(
    list("Paths outside the resources, such as `/metrics`; may end with `*`. ClusterRoles only.", string("One path.")),
  ),
});

export type PolicyRule = Static<typeof policyRule>;

export const rules = () => optional(list("What is allowed.", policyRule));

const subject = struct("Who.", {
  kind: string("`User`, `Group` or `ServiceAccount`."),
  apiGroup: optional(string("`rbac.authorization.k8s.io` for users and groups, empty for service accounts.")),
  name: string("Name of the user, group or service account."),
  namespace: optional(string("Namespace of a service account.")),
});

export type Subject = Static<typeof subject>;

export const subjects = () => optional(list("Who is allowed.", subject));

const roleReference = struct("Which role; can never be changed.", {
  apiGroup: optional(string("`rbac.authorization.k8s.io`.", { default: rbac.group })),
  kind: string("`Role` or `ClusterRole`."),
  name: string("Name of the role."),
});

export type RoleReference = Static<typeof roleReference>;

export const roleRef = () => roleReference;
