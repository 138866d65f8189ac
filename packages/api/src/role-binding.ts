// rbac.authorization.k8s.io/v1 RoleBinding: who may do what a role says, in one namespace.

import type { Static } from "typebox";
import { rbac, roleRef, subjects } from "./access-rules.ts";
import { struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", { subjects: subjects(), roleRef: roleRef() });

export type RoleBinding = KubeObject & Static<typeof schema>;

export const RoleBinding: KindDefinition<RoleBinding> = defineKind({
  ...rbac,
  kind: "RoleBinding",
  plural: "rolebindings",
  description: "Who may do what a Role or ClusterRole says, in one namespace.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Role", type: "string", jsonPath: ".roleRef.name" }, ageColumn],
});
