// rbac.authorization.k8s.io/v1 Role: what is allowed in one namespace, to whoever a RoleBinding names.

import type { Static } from "typebox";
import { rbac, rules } from "./access-rules.ts";
import { struct } from "./fields.ts";
import { defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", { rules: rules() });

export type Role = KubeObject & Static<typeof schema>;

export const Role: KindDefinition<Role> = defineKind({
  ...rbac,
  kind: "Role",
  plural: "roles",
  description: "What is allowed in one namespace, to whoever a RoleBinding names.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Created At", type: "string", jsonPath: ".metadata.creationTimestamp" }],
});
