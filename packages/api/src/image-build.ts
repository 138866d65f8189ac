// ImageBuild: one build of a layer, in a machine made for it: queued, followed, cancelled, tried again.

import type { Static } from "typebox";
import { controllerRecord, localRef, objectRef, observed, whatGoesOn } from "./common-fields.ts";
import { boolean, choice, dateTime, duration, int32, optional, quantity, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { vmRoleRef } from "./vm-role-ref.ts";

const spec = struct(
  "What to build, and how eagerly. Only `priority`, `keepOnFailure` and `cancelled` may change later.",
  {
    roleRef: optional(vmRoleRef("The VMRole to build. Either this or `imageRef`.")),
    imageRef: optional(localRef("The VMImage to build, one that has `source.layer`.")),
    providerRef: optional(
      objectRef("The Provider to build on. May be absent where there is only one Provider in the namespace."),
    ),
    host: optional(string("Host to build on, of a Provider with several.", { maxLength: 253 })),
    priority: optional(
      int32("Higher goes first; builds of one priority in the order in which they were asked for.", { default: 0 }),
    ),
    timeout: optional(duration("How long one try may take from the start of its machine.", { default: "1h" })),
    retries: optional(
      int32("How often to try again by itself, each time in a new machine.", { minimum: 0, maximum: 10, default: 1 }),
    ),
    keepOnFailure: optional(
      boolean("Whether the machine of the last failed try stays, for a look inside.", { default: false }),
    ),
    cancelled: optional(boolean("Whether to stop, and to remove what was made so far.", { default: false })),
  },
);

export const imageBuildPhases = [
  "Queued",
  "Checking",
  "WaitingForParent",
  "Starting",
  "Building",
  "ShuttingDown",
  "Sealing",
  "Succeeded",
  "Failed",
  "Cancelled",
] as const;

const status = struct("How far the build is.", {
  phase: optional(choice("Where it is.", imageBuildPhases)),
  message: optional(whatGoesOn()),
  image: optional(string("Name of the VMImage that it is for.")),
  role: optional(string("Name of the role.")),
  parent: optional(string("Name of the VMImage that it is built upon.")),
  digest: optional(string("`sha256:` and the digest of the parent's digest and the recipe: names the layer.")),
  provider: optional(string("Name of the Provider that it is built on.")),
  contentDigest: optional(string("`sha256:` and the digest of the bytes that were made.")),
  size: optional(quantity("Space that the layer takes on the host, without what is below it.")),
  isCached: optional(boolean("Whether the layer was there already, so that nothing was built.")),
  attempt: optional(int32("Which try it is, from 1.")),
  vm: optional(string("Name of the VirtualMachine that it is built in.")),
  step: optional(string("The step of the recipe that the guest is at.")),
  percentage: optional(
    int32("Part done, as far as earlier builds of the same recipe or the steps tell.", { minimum: 0, maximum: 100 }),
  ),
  eta: optional(duration("How much longer it takes, as earlier builds of the same recipe did.")),
  queuePosition: optional(int32("How many are before it, and one.")),
  startedAt: optional(dateTime("When its machine was asked for.")),
  finishedAt: optional(dateTime("When it succeeded, failed or was cancelled.")),
  duration: optional(duration("How long the successful try took.")),
  logConfigMap: optional(
    string("Name of the ConfigMap that holds the end of the guest's log, once its machine is gone."),
  ),
  lastRetryRequest: optional(string("Value of the retry annotation that was last carried out.")),
  record: optional(controllerRecord()),
  ...observed("`Complete`: whether the layer is there."),
});

export type ImageBuildSpec = Static<typeof spec>;
export type ImageBuildStatus = Static<typeof status>;
export type ImageBuild = Resource<ImageBuildSpec, ImageBuildStatus>;

export const ImageBuild: KindDefinition<ImageBuild> = defineKind({
  ...vivarium,
  kind: "ImageBuild",
  plural: "imagebuilds",
  shortNames: ["ib"],
  description: "One build of an image layer from its parent and a recipe, in a machine made for it.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Image", type: "string", jsonPath: ".status.image" },
    phaseColumn,
    { name: "Done", type: "integer", jsonPath: ".status.percentage" },
    { name: "ETA", type: "string", jsonPath: ".status.eta" },
    { name: "Step", type: "string", jsonPath: ".status.step" },
    ageColumn,
    { name: "Provider", type: "string", jsonPath: ".status.provider", priority: 1 },
    { name: "VM", type: "string", jsonPath: ".status.vm", priority: 1 },
    { name: "Try", type: "integer", jsonPath: ".status.attempt", priority: 1 },
    messageColumn,
  ],
});
