// core/v1 ServiceAccount: an identity for programs; tokens are asked for at its subresource `token`.

import type { Static } from "typebox";
import { boolean, list, optional, string, struct } from "./fields.ts";
import { ageColumn, core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  automountServiceAccountToken: optional(boolean("Kept for tools that set it; machines get no token by themselves.")),
  imagePullSecrets: optional(
    list(
      "Kept for tools that set it; machines pull no images by themselves.",
      struct("One Secret.", { name: optional(string("Name of the Secret.")) }),
    ),
  ),
  secrets: optional(
    list(
      "Secrets that belong to the account.",
      struct("One Secret.", {
        apiVersion: optional(string("API version of the object.")),
        kind: optional(string("Kind of the object.")),
        namespace: optional(string("Namespace of the object.")),
        name: optional(string("Name of the object.")),
        uid: optional(string("Uid of the object.")),
        resourceVersion: optional(string("Version of the object.")),
        fieldPath: optional(string("Part of the object.")),
      }),
    ),
  ),
});

export type ServiceAccount = KubeObject & Static<typeof schema>;

export const ServiceAccount: KindDefinition<ServiceAccount> = defineKind({
  ...core,
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  description: "An identity for programs that use the API.",
  hasStatus: false,
  schema,
  printerColumns: [ageColumn],
});
