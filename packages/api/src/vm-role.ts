// VMRole: what a machine is for, as a recipe on top of another role or of a plain image. Named so because Kubernetes has a Role already.

import type { Static } from "typebox";
import { objectRef, observed } from "./common-fields.ts";
import { choice, int32, list, listByKey, optional, quantity, string, struct } from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { recipeFields } from "./recipe.ts";

const imageName = string("Name of a VMImage, in the namespace of whoever uses the role.", {
  maxLength: 200,
  pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
});

const distribution = choice("Distribution in the image.", ["debian", "ubuntu"]);

const spec = struct("What machines of this role are made from.", {
  description: optional(string("What the role is for, in a sentence.", { maxLength: 1024 })),
  parent: struct("What it is built upon: exactly one of the two.", {
    roleRef: optional(
      objectRef("Another VMRole: in this role's namespace, else among those that ship with the product."),
    ),
    images: optional(
      listByKey(
        "Plain images, the preferred first. A user of the role may name another of them.",
        "name",
        struct("One image. Where there is no VMImage of this name, it is made from `url`, else built from `suite`.", {
          name: imageName,
          distribution: optional(distribution),
          url: optional(string("Where the distribution publishes it.", { pattern: "^(https?://.*|file:///.*)$" })),
          suite: optional(
            string("Debian release to build here where the URL does not answer.", { pattern: "^[a-z][a-z0-9-]*$" }),
          ),
        }),
        { maxItems: 20 },
      ),
    ),
  }),
  imageNames: optional(
    list(
      "VMImages that are the role's own already, the preferred first: one that is there is used as it is.",
      imageName,
      {
        maxItems: 20,
      },
    ),
  ),
  ...recipeFields,
  distributions: optional(
    listByKey(
      "What is done besides, depending on the distribution in the plain image.",
      "name",
      struct("What is done on one distribution.", { name: distribution, ...recipeFields }),
    ),
  ),
  resources: optional(
    struct("Size that machines of this role need at least; also that of the machine it is built in.", {
      cpu: optional(int32("Virtual CPUs.", { minimum: 1, maximum: 128 })),
      memory: optional(quantity("Memory.")),
      diskSize: optional(quantity("Root disk.")),
    }),
  ),
});

const status = struct("Whether the role can be used.", {
  chain: optional(list("From the plain image to this role.", string("Name of an image or a role."))),
  recipeDigest: optional(string("`sha256:` and the digest of the recipe of this role alone.")),
  ...observed("`Ready`: whether it can be resolved down to a plain image."),
});

export type VMRoleSpec = Static<typeof spec>;
export type VMRoleStatus = Static<typeof status>;
export type VMRole = Resource<VMRoleSpec, VMRoleStatus>;

export const VMRole: KindDefinition<VMRole> = defineKind({
  ...vivarium,
  kind: "VMRole",
  plural: "vmroles",
  shortNames: ["vmr"],
  description:
    "What a machine is for: packages, files, commands and proofs on top of another role or of a plain image.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: "Built upon", type: "string", jsonPath: ".status.chain[*]" },
    { name: "Description", type: "string", jsonPath: ".spec.description" },
    ageColumn,
  ],
});

/** Where the roles that ship with the product are; a role of the same name in a machine's own namespace comes first. */
export const shippedRolesNamespace = "vivarium-system";
