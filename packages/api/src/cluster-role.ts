// rbac.authorization.k8s.io/v1 ClusterRole: what is allowed everywhere or, through a RoleBinding, in one namespace.

import type { Static } from "typebox";
import { rbac, rules } from "./access-rules.ts";
import { list, optional, string, stringMap, struct } from "./fields.ts";
import { defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const labelSelector = struct("ClusterRoles with these labels.", {
  matchLabels: optional(stringMap("Labels and the values they have.")),
  matchExpressions: optional(
    list(
      "Conditions on labels; all must hold.",
      struct("One condition.", {
        key: string("The label."),
        operator: string("`In`, `NotIn`, `Exists` or `DoesNotExist`."),
        values: optional(list("What the value is compared with.", string("One value."))),
      }),
    ),
  ),
});

const schema = struct("", {
  rules: rules(),
  aggregationRule: optional(
    struct("The rules are put together from other ClusterRoles, and what is written into `rules` is replaced.", {
      clusterRoleSelectors: optional(list("Which ClusterRoles; one selector has to match.", labelSelector)),
    }),
  ),
});

export type ClusterRole = KubeObject & Static<typeof schema>;

export const ClusterRole: KindDefinition<ClusterRole> = defineKind({
  ...rbac,
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
  description: "What is allowed everywhere or, through a RoleBinding, in one namespace.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Created At", type: "string", jsonPath: ".metadata.creationTimestamp" }],
});
