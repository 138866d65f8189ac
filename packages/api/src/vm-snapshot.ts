// VMSnapshot: a VirtualMachine as it was at one moment. Two spellings of the same wish are accepted; `snapshotWishOf` turns either into one.

import type { Static } from "typebox";
import { controllerRecord, eta, localRef, observed, percentage, whatGoesOn } from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  duration,
  int32,
  int64,
  list,
  opaque,
  optional,
  quantity,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra, messageColumn, phaseColumn } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const snapshotName = "^[a-zA-Z0-9]([a-zA-Z0-9\\-_]*[a-zA-Z0-9])?$";

/** What a schedule says of each of its snapshots as well. */
export const snapshotFields = {
  memory: optional(boolean("Whether the memory belongs to it. As `snapshotConfig.includeMemory`.")),
  description: optional(string("What it is for. As `snapshotConfig.description`.", { maxLength: 1024 })),
  snapshotConfig: optional(
    struct("What belongs to the snapshot.", {
      name: optional(
        string("Name on the hypervisor, for people. The object's name when absent.", {
          maxLength: 255,
          pattern: snapshotName,
        }),
      ),
      description: optional(string("What it is for.", { maxLength: 1024 })),
      includeMemory: optional(
        boolean("Whether the memory of a machine that runs belongs to it: it then goes on where it was.", {
          default: false,
        }),
      ),
      quiesce: optional(
        boolean(
          "Whether the guest agent holds the file systems still. When absent: if it can. `true`: the snapshot is not taken if it cannot.",
        ),
      ),
      type: optional(
        choice(
          "`Standard`: as the other fields say. `Crash`: without the guest's help. `Application`: not supported, for no hypervisor can tell whether the guest's programs took part.",
          ["Standard", "Crash", "Application"],
        ),
      ),
      method: optional(
        choice(
          "`External` freezes the disks' files and goes on in new ones; `Internal` keeps it inside them. Chosen by what the hypervisor can do when absent.",
          ["External", "Internal"],
        ),
      ),
      compression: optional(boolean("Not supported when true.")),
      encryption: optional(
        struct("Encryption of what is kept. Not supported when enabled.", {
          enabled: optional(boolean("Whether it is encrypted.", { default: false })),
          keyProvider: optional(choice("Who has the key.", ["standard", "hardware", "external"])),
          keyRef: optional(localRef("The Secret with the key.")),
        }),
      ),
      consistencyLevel: optional(
        choice(
          "What is on the disks of a machine that runs: as after a power cut, file systems held still by the guest agent (and no snapshot if that cannot be), or programs, too, which is not supported. When absent: what can be had; status.consistency says what it was.",
          ["CrashConsistent", "FilesystemConsistent", "ApplicationConsistent"],
        ),
      ),
    }),
  ),
  retentionPolicy: optional(
    struct("When it goes by itself.", {
      maxAge: optional(duration("How long it is kept.")),
      maxCount: optional(int32("It goes when the machine has so many later ones.", { minimum: 1, maximum: 100 })),
      deleteOnVMDelete: optional(
        boolean("Whether it goes with its machine. If not, the machine is not deleted while it is there.", {
          default: true,
        }),
      ),
      preservePinned: optional(boolean("Whether `metadata.pinned` keeps it.", { default: true })),
      gracePeriod: optional(duration("From the end of its time until it is removed. None when absent.")),
    }),
  ),
  metadata: optional(
    struct("For people and programs.", {
      tags: optional(stringMap("Free tags.", { maxProperties: 50 })),
      application: optional(string("What runs in the machine.", { maxLength: 255 })),
      environment: optional(choice("What the machine is for.", ["dev", "staging", "prod", "test", "qa", "uat"])),
      purpose: optional(
        choice("What the snapshot is for.", ["backup", "testing", "migration", "restore-point", "update", "other"]),
      ),
      pinned: optional(boolean("Whether it outlives its retention policy.", { default: false })),
    }),
  ),
};

const spec = struct(
  "Which machine, and what belongs to the snapshot. Once it is taken only `retentionPolicy` and `metadata` matter.",
  {
    vmRef: localRef("The VirtualMachine."),
    nameHint: optional(string("Name on the hypervisor, for people. As `snapshotConfig.name`.", { maxLength: 255 })),
    ...snapshotFields,
    schedule: optional(
      struct(
        "Repeated snapshots of the machine, besides this one: a VMSnapshotSchedule of this name is kept for them.",
        {
          enabled: optional(boolean("Whether snapshots are taken by the clock.", { default: false })),
          cronSpec: optional(string("When, as cron has it, or `@every 6h`. Needed when enabled.")),
          timezone: optional(string("Of `cronSpec`.", { default: "UTC" })),
          suspend: optional(boolean("Whether it pauses.", { default: false })),
          concurrencyPolicy: optional(
            choice("What happens while one is being taken.", ["Allow", "Forbid", "Replace"], { default: "Forbid" }),
          ),
          successfulJobsHistoryLimit: optional(
            int32("How many that were taken are kept.", { minimum: 0, maximum: 100, default: 3 }),
          ),
          failedJobsHistoryLimit: optional(
            int32("How many that failed are kept.", { minimum: 0, maximum: 100, default: 1 }),
          ),
        },
      ),
    ),
  },
);

const relative = {
  name: string("Name of the VMSnapshot."),
  namespace: optional(string("Its namespace.")),
  uid: optional(string("Its uid.")),
};

const status = struct("What was seen of the snapshot.", {
  snapshotID: optional(string("Its name on the hypervisor.")),
  phase: optional(
    choice("Where the snapshot is in its life.", ["Pending", "Creating", "Ready", "Deleting", "Failed", "Expired"]),
  ),
  message: optional(whatGoesOn()),
  creationTime: optional(dateTime("The moment that it is of.")),
  completionTime: optional(dateTime("When it was whole.")),
  expiryTime: optional(dateTime("When its time is over.")),
  size: optional(quantity("Space that it takes.")),
  virtualSize: optional(quantity("Size of its disks, as the guest sees them.")),
  method: optional(choice("How it is kept.", ["External", "Internal"])),
  consistency: optional(choice("What it holds: see `kubectl explain`.", ["Off", "Memory", "Filesystem", "Crash"])),
  hasMemory: optional(boolean("Whether the memory belongs to it.")),
  disks: optional(list("Disks that go back with it.", string("Name of the disk."))),
  leftOut: optional(
    list(
      "Disks that do not: read-only ones, and Volumes, which have a life of their own.",
      string("Name of the disk."),
    ),
  ),
  isCurrent: optional(boolean("Whether what the machine is now came out of it.")),
  taskRef: optional(string("The provider's task.")),
  progress: optional(
    struct("How far the work is.", {
      totalBytes: optional(int64("All of it.")),
      completedBytes: optional(int64("Done.")),
      percentage: optional(percentage()),
      startTime: optional(dateTime("When it began.")),
      eta: optional(eta()),
    }),
  ),
  parent: optional(struct("The snapshot that the machine was at when it was taken.", relative)),
  children: optional(list("Snapshots that were taken from here on.", struct("One of them.", relative))),
  providerStatus: optional(opaque("What each provider says.")),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether the machine can go back to it. `Creating` and `Deleting`: whether that is going on."),
});

export type VMSnapshotSpec = Static<typeof spec>;
export type VMSnapshotStatus = Static<typeof status>;
export type VMSnapshot = Resource<VMSnapshotSpec, VMSnapshotStatus>;

export const VMSnapshot: KindDefinition<VMSnapshot> = defineKind({
  ...infra,
  kind: "VMSnapshot",
  plural: "vmsnapshots",
  shortNames: ["vmsnap"],
  description:
    "A virtual machine as it was at one moment, to go back to with spec.snapshot.revertToRef of the machine.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "VM", type: "string", jsonPath: ".spec.vmRef.name" },
    phaseColumn,
    { name: "Size", type: "string", jsonPath: ".status.size" },
    { name: "Created", type: "date", jsonPath: ".status.creationTime" },
    { name: "Expires", type: "string", jsonPath: ".status.expiryTime" },
    ageColumn,
    { name: "Parent", type: "string", jsonPath: ".status.parent.name", priority: 1 },
    { name: "Current", type: "boolean", jsonPath: ".status.isCurrent", priority: 1 },
    { name: "Consistency", type: "string", jsonPath: ".status.consistency", priority: 1 },
    messageColumn,
  ],
});

/** What is wished for, in one form. */
export interface SnapshotWish {
  readonly name: string;
  readonly description?: string;
  readonly memory: boolean;
  readonly quiesce: "required" | "if-possible" | "never";
  readonly method?: "internal" | "external";
  /** Fields that contradict each other. */
  readonly contradictions: readonly string[];
  /** Fields that ask for what there is not. */
  readonly unsupported: readonly string[];
}

export function snapshotWishOf({ metadata, spec: wanted }: Pick<VMSnapshot, "metadata" | "spec">): SnapshotWish {
  const config = wanted.snapshotConfig ?? {};
  const description = wanted.description ?? config.description;
  const { method } = config;
  const isStill = config.quiesce === true || config.consistencyLevel === "FilesystemConsistent";
  const isCrash = config.quiesce === false || config.type === "Crash" || config.consistencyLevel === "CrashConsistent";
  return {
    name: wanted.nameHint ?? config.name ?? metadata.name,
    ...(description === undefined ? {} : { description }),
    memory: wanted.memory ?? config.includeMemory ?? false,
    quiesce: isStill ? "required" : isCrash ? "never" : "if-possible",
    ...(method === undefined ? {} : { method: method === "Internal" ? "internal" : "external" }),
    contradictions:
      isStill && isCrash
        ? ["spec.snapshotConfig asks both for file systems held still and for a snapshot without the guest's help"]
        : [],
    unsupported: [
      ...(config.type === "Application" ? ["spec.snapshotConfig.type Application"] : []),
      ...(config.consistencyLevel === "ApplicationConsistent"
        ? ["spec.snapshotConfig.consistencyLevel ApplicationConsistent"]
        : []),
      ...(config.compression === true ? ["spec.snapshotConfig.compression"] : []),
      ...(config.encryption?.enabled === true ? ["spec.snapshotConfig.encryption"] : []),
    ],
  };
}
