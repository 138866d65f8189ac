// rbac.authorization.k8s.io/v1 ClusterRoleBinding: who may do what a ClusterRole says, everywhere.

import type { Static } from "typebox";
import { rbac, roleRef, subjects } from "./access-rules.ts";
import { struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", { subjects: subjects(), roleRef: roleRef() });

export type ClusterRoleBinding = KubeObject & Static<typeof schema>;

export const ClusterRoleBinding: KindDefinition<ClusterRoleBinding> = defineKind({
  ...rbac,
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
  namespaced: false,
  description: "Who may do what a ClusterRole says, everywhere.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Role", type: "string", jsonPath: ".roleRef.name" }, ageColumn],
});
