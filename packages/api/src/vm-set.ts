// VMSet: several machines from one template, numbered, replaced in turn when the template changes.

import type { Static } from "typebox";
import { labelSelector, observed } from "./common-fields.ts";
import {
  boolean,
  choice,
  countOrShare,
  dateTime,
  duration,
  int32,
  list,
  listByKey,
  opaque,
  optional,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { readinessGates } from "./readiness-gate.ts";
import { virtualMachineSpec } from "./virtual-machine.ts";

const mostReplicas = 1000;

/** Of a VMSet and of its revisions. */
export const vmSetTemplate = struct("What each machine is made from.", {
  metadata: optional(
    struct("What the machines carry besides the labels of the selector, which they always have.", {
      labels: optional(stringMap("Labels.")),
      annotations: optional(stringMap("Annotations.")),
      // Written by generators of manifests.
      name: optional(string("Ignored: machines are named after the set and their number.")),
      creationTimestamp: optional(opaque("Ignored.")),
    }),
  ),
  spec: virtualMachineSpec,
});

const spec = struct("Which machines there shall be.", {
  replicas: optional(int32("How many machines.", { minimum: 0, maximum: mostReplicas, default: 1 })),
  selector: labelSelector("Labels that tell the set's machines from others. Not changed later."),
  template: vmSetTemplate,
  minReadySeconds: optional(
    int32("How long a machine must have been Ready to count as available.", { minimum: 0, maximum: 3600 }),
  ),
  readinessGates: optional(
    readinessGates(
      "What a machine must meet, besides being Ready, to count as ready. Asked from the server, while the machine is Ready. A change replaces no machine.",
    ),
  ),
  progressDeadlineSeconds: optional(
    int32("How long a rollout may stand still until `Progressing` turns False.", { minimum: 1, default: 1800 }),
  ),
  revisionHistoryLimit: optional(
    int32("How many earlier templates are kept.", { minimum: 0, maximum: 100, default: 10 }),
  ),
  paused: optional(boolean("Whether changes of the template wait; scaling goes on.", { default: false })),
  serviceName: optional(
    string("Name under which others know the set; kept, and otherwise without effect.", { maxLength: 253 }),
  ),
  ordinals: optional(
    struct("How the machines are numbered.", {
      start: optional(int32("The first number.", { minimum: 0, maximum: 999999, default: 0 })),
    }),
  ),
  persistentVolumeClaimRetentionPolicy: optional(
    struct("What becomes of Volumes that were made from `volumeClaimTemplates`.", {
      whenDeleted: optional(choice("When the set is deleted.", ["Retain", "Delete"], { default: "Retain" })),
      whenScaled: optional(
        choice("When a machine is not wanted any more.", ["Retain", "Delete"], { default: "Retain" }),
      ),
    }),
  ),
  volumeClaimTemplates: optional(
    list(
      "A Volume for each machine, named TEMPLATE-MACHINE and attached as the disk of the template's name. It outlives the machine, and the machine of the same number gets it again.",
      struct("One Volume a machine.", {
        metadata: struct("Its name and labels.", {
          name: string("Name of the template and of the disk.", {
            maxLength: 63,
            pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
          }),
          labels: optional(stringMap("Labels of the Volumes.")),
          annotations: optional(stringMap("Annotations of the Volumes.")),
          creationTimestamp: optional(opaque("Ignored.")),
        }),
        spec: opaque(
          "As of a core/v1 PersistentVolumeClaim: `storageClassName` is the StoragePool, `resources.requests.storage` the size.",
        ),
        status: optional(opaque("Ignored.")),
      }),
      { maxItems: 20 },
    ),
  ),
  updateStrategy: optional(
    struct("How machines are replaced when the template changes.", {
      type: optional(
        choice(
          "`RollingUpdate` in turn; `OnDelete` when somebody deletes one; `Recreate` all at once.",
          ["RollingUpdate", "OnDelete", "Recreate"],
          { default: "RollingUpdate" },
        ),
      ),
      rollingUpdate: optional(
        struct("The limits of a rolling update.", {
          partition: optional(
            int32("Machines whose number, counted from `ordinals.start`, is below it keep the earlier template.", {
              minimum: 0,
            }),
          ),
          maxUnavailable: optional(
            countOrShare("How many of `replicas` may be unavailable; a share is rounded down.", { default: "25%" }),
          ),
          maxSurge: optional(
            countOrShare(
              "How many machines there may be above `replicas`; a share is rounded up. None with `volumeClaimTemplates`.",
              { default: "25%" },
            ),
          ),
          podManagementPolicy: optional(
            choice(
              "`OrderedReady`: by number, one after the other; `Parallel`: as many at once as the limits allow.",
              ["OrderedReady", "Parallel"],
              { default: "OrderedReady" },
            ),
          ),
        }),
      ),
    }),
  ),
  healing: optional(
    struct("Replaces machines that stay broken. Without it they are only reported.", {
      unhealthyAfter: optional(
        duration("How long a machine may not be Ready before it is replaced, its disks included.", { default: "15m" }),
      ),
      maxUnhealthy: optional(
        countOrShare(
          "With more broken machines than this none is replaced, since then the cause lies elsewhere. A share is rounded up.",
          { default: "40%" },
        ),
      ),
    }),
  ),
});

const status = struct("What was seen of the machines.", {
  replicas: optional(int32("Machines that there are, those above the wanted number included.")),
  readyReplicas: optional(int32("Those that are Ready and meet every readiness gate.")),
  availableReplicas: optional(int32("Those that have been Ready for `minReadySeconds`.")),
  currentReplicas: optional(int32("Those of `currentRevision`.")),
  updatedReplicas: optional(int32("Those of `updateRevision`.")),
  collisionCount: optional(int32("Always 0: revisions are named by content.")),
  currentRevision: optional(
    string("The template before the change that is being rolled out; else the same as `updateRevision`."),
  ),
  updateRevision: optional(string("The template as it is now: name of a VMSetRevision.")),
  selector: optional(string("The selector, as `kubectl get -l` takes it.")),
  lastProgressTime: optional(dateTime("When the rollout last got on.")),
  updateStatus: optional(
    struct("Where the rollout stands.", {
      phase: choice("Where.", ["Pending", "InProgress", "Paused", "Completed", "Failed"]),
      message: optional(string("What is waited for, for people.")),
      startTime: optional(dateTime("When it began.")),
      completionTime: optional(dateTime("When it was done.")),
      updatedVMs: optional(list("Machines of the template as it is now.", string("Name."))),
      pendingVMs: optional(list("Machines that are still to be replaced.", string("Name."))),
      failedVMs: optional(
        list(
          "Machines of the template as it is now that are not well.",
          struct("One of them.", {
            name: string("Name."),
            reason: optional(string("Reason of its Ready condition.")),
            message: optional(string("What it says.")),
          }),
        ),
      ),
    }),
  ),
  vmStatus: optional(
    listByKey(
      "The machines, by number.",
      "name",
      struct("One machine.", {
        name: string("Name."),
        phase: optional(string("Its phase.")),
        ready: boolean("Whether it is Ready and meets every readiness gate."),
        revision: optional(string("What it was made from.")),
        creationTime: optional(dateTime("When it was made.")),
        message: optional(
          string("Why it is not ready: what it says about itself, or the gates that it does not meet."),
        ),
        gates: optional(
          listByKey(
            "The readiness gates, while it is Ready.",
            "name",
            struct("One of them.", {
              name: string("Its name."),
              met: boolean("Whether it is met."),
              reason: string("How the last try ended, in CamelCase, for programs."),
              message: string("How the last try ended, for people."),
              lastTransitionTime: dateTime("When `met` last changed."),
            }),
            { maxItems: 10 },
          ),
        ),
      }),
      { maxItems: 2 * mostReplicas },
    ),
  ),
  ...observed(
    "`Available`: enough machines are; `Progressing`: whether a rollout gets on; `Ready`: all are there, up to date and available; `ReplicaFailure`: why a machine could not be made.",
  ),
});

export type VMSetSpec = Static<typeof spec>;
export type VMSetTemplate = Static<typeof vmSetTemplate>;
export type VMSetStatus = Static<typeof status>;
export type VMSet = Resource<VMSetSpec, VMSetStatus>;

export const VMSet: KindDefinition<VMSet> = defineKind({
  ...infra,
  kind: "VMSet",
  plural: "vmsets",
  categories: ["all"],
  description: "Several machines from one template: numbered, scaled, replaced in turn when the template changes.",
  hasStatus: true,
  scale: {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Desired", type: "integer", jsonPath: ".spec.replicas" },
    { name: "Current", type: "integer", jsonPath: ".status.replicas" },
    { name: "Ready", type: "integer", jsonPath: ".status.readyReplicas" },
    { name: "Updated", type: "integer", jsonPath: ".status.updatedReplicas" },
    ageColumn,
    { name: "Available", type: "integer", jsonPath: ".status.availableReplicas", priority: 1 },
    { name: "Revision", type: "string", jsonPath: ".status.updateRevision", priority: 1 },
    { name: "Message", type: "string", jsonPath: ".status.updateStatus.message", priority: 1 },
  ],
});
