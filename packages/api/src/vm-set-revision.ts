// VMSetRevision: what the template of a VMSet once was, so that a rollout can be undone. Written by the controller, by nobody else.

import type { Static } from "typebox";
import { int64, struct } from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";
import { vmSetTemplate } from "./vm-set.ts";

const schema = struct("", {
  revision: int64("Grows with each change of the template; one that comes back gets a new number.", { minimum: 1 }),
  // With the set's own schema, so that defaults which a later version adds come into both: they are no change of the template.
  template: vmSetTemplate,
});

export interface VMSetRevision extends KubeObject, Static<typeof schema> {}

export const VMSetRevision: KindDefinition<VMSetRevision> = defineKind({
  ...vivarium,
  kind: "VMSetRevision",
  plural: "vmsetrevisions",
  description:
    "What the template of a VMSet once was. Kept by the set's controller, for `viv rollout history` and `undo`.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Revision", type: "integer", jsonPath: ".revision" }, ageColumn],
});
