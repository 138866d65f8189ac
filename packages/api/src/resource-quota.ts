// core/v1 ResourceQuota: how much may be in a namespace. What is counted, and under which names: docs/how-to/limit-a-namespace.md.

import type { Static } from "typebox";
import { map, optional, quantity, struct } from "./fields.ts";
import { ageColumn, core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const amounts = (description: string) => map(description, quantity("How much."));

const schema = struct("", {
  spec: optional(
    struct("What is allowed.", {
      hard: optional(
        amounts(
          "The most of each: `count/PLURAL.GROUP` or the plural of a core kind for objects; `requests.cpu`, `requests.memory` and `requests.storage` for what virtual machines have.",
        ),
      ),
    }),
  ),
  status: optional(
    struct("What is there.", {
      hard: optional(amounts("What is allowed, as it was last looked at.")),
      used: optional(amounts("How much of each is there.")),
    }),
  ),
});

export type ResourceQuota = KubeObject & Static<typeof schema>;

export const ResourceQuota: KindDefinition<ResourceQuota> = defineKind({
  ...core,
  kind: "ResourceQuota",
  plural: "resourcequotas",
  shortNames: ["quota"],
  description: "How many objects, and how much CPU, memory and disk, there may be in a namespace.",
  hasStatus: true,
  schema,
  printerColumns: [ageColumn],
});
