// core/v1 Namespace: what separates the objects of one user or project from another's.

import type { Static } from "typebox";
import { choice, list, optional, string, struct } from "./fields.ts";
import { ageColumn, core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  spec: optional(
    struct("What the namespace shall be.", {
      finalizers: optional(list("Who has to agree before it goes.", string("One finalizer."))),
    }),
  ),
  status: optional(
    struct("How the namespace is.", {
      phase: optional(choice("`Terminating` while its contents are deleted.", ["Active", "Terminating"])),
    }),
  ),
});

export type Namespace = KubeObject & Static<typeof schema>;

export const Namespace: KindDefinition<Namespace> = defineKind({
  ...core,
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
  description: "A scope for names: objects in different namespaces do not meet.",
  hasStatus: true,
  schema,
  printerColumns: [{ name: "Status", type: "string", jsonPath: ".status.phase" }, ageColumn],
});
