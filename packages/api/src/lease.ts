// coordination.k8s.io/v1 Lease: who does something that only one may do, and when that one last gave a sign of life.

import type { Static } from "typebox";
import { dateTime, int32, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  spec: optional(
    struct("Who holds it.", {
      holderIdentity: optional(string("Who holds it now; empty: nobody.")),
      leaseDurationSeconds: optional(
        int32("How long others wait after renewTime before they take it, in seconds.", { minimum: 1 }),
      ),
      acquireTime: optional(dateTime("When the holder took it.")),
      renewTime: optional(dateTime("When the holder last gave a sign of life.")),
      leaseTransitions: optional(int32("How often it went from one holder to another.", { minimum: 0 })),
      strategy: optional(string("How a holder is chosen, where that is coordinated.")),
      preferredHolder: optional(string("Who is to take it next, where that is coordinated.")),
    }),
  ),
});

export type Lease = KubeObject & Static<typeof schema>;

export const Lease: KindDefinition<Lease> = defineKind({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  description: "Who does something that only one may do at a time.",
  hasStatus: false,
  schema,
  printerColumns: [{ name: "Holder", type: "string", jsonPath: ".spec.holderIdentity" }, ageColumn],
});
