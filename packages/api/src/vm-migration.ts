// VMMigration: one move of a machine. With `target.host` the VirtualMachine goes to another host of its Provider and stays the same object;
// with `target.name` and `target.providerRef` a new one is made on another Provider, from copies of its disks.

import type { Static } from "typebox";
import { controllerRecord, eta, localRef, objectRef, observed, percentage, whatGoesOn } from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  duration,
  int32,
  int64,
  list,
  listByKey,
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
import { networkInterface, virtualMachineDisk } from "./virtual-machine.ts";

const objectName = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

const source = struct("Which machine.", {
  vmRef: localRef("The VirtualMachine."),
  providerRef: optional(objectRef("The Provider that it is on, as a check; that of the machine when absent.")),
  snapshotRef: optional(localRef("To another Provider: the VMSnapshot to copy, instead of one that is taken for it.")),
  createSnapshot: optional(
    boolean("Without effect: what is copied to another Provider is always a snapshot, which goes with the migration.", {
      default: true,
    }),
  ),
  powerOffBeforeMigration: optional(
    boolean("Whether the machine is shut down first, so that nothing that it writes is left behind.", {
      default: false,
    }),
  ),
  deleteAfterMigration: optional(
    boolean("Whether the source machine is deleted when the new one on the other Provider is there.", {
      default: false,
    }),
  ),
});

const target = struct("Where it goes: `host`, or `name` with `providerRef`.", {
  host: optional(
    string("Host of the machine's own Provider to move it to. The VirtualMachine stays the same.", {
      maxLength: 253,
      pattern: objectName,
    }),
  ),
  name: optional(
    string("Name of the new VirtualMachine on another Provider.", { maxLength: 253, pattern: objectName }),
  ),
  namespace: optional(string("Namespace of the new machine; that of the migration when absent.", { maxLength: 63 })),
  providerRef: optional(objectRef("The Provider to go to.")),
  classRef: optional(objectRef("VMClass of the new machine; that of the source when absent.")),
  imageRef: optional(localRef("Ignored: the disks are copied.")),
  networks: optional(
    listByKey("Interfaces of the new machine; those of the source when absent.", "name", networkInterface, {
      maxItems: 10,
    }),
  ),
  disks: optional(
    listByKey(
      "Disks of the new machine besides the root disk; those of the source when absent.",
      "name",
      virtualMachineDisk,
      {
        maxItems: 20,
      },
    ),
  ),
  placementRef: optional(localRef("VMPlacementPolicy of the new machine.")),
  powerOn: optional(boolean("Whether the new machine is started.", { default: false })),
  labels: optional(stringMap("Labels of the new machine.", { maxProperties: 50 })),
  annotations: optional(stringMap("Annotations of the new machine.", { maxProperties: 50 })),
});

const storage = struct(
  "Where disks are kept on the way to another Provider. They are passed on as they come, and kept nowhere.",
  {
    type: optional(choice("Kind of that place. Without effect.", ["pvc", "nfs", "s3"], { default: "pvc" })),
    transferMode: optional(
      choice("`relay` and `auto`: through the server. `direct` is not supported.", ["auto", "relay", "direct"], {
        default: "auto",
      }),
    ),
    pvc: optional(opaque("Without effect.")),
    s3: optional(opaque("Without effect.")),
    nfs: optional(opaque("Without effect.")),
  },
);

const options = struct("How it is done.", {
  mode: optional(
    choice(
      "To another host: `Live` while the machine runs, `Offline` while it is off (a machine that runs is shut down for it, and started there), `Auto` as it is. `Auto` when absent.",
      ["Auto", "Live", "Offline"],
    ),
  ),
  copyStorage: optional(
    boolean(
      "To another host: whether the disks are copied. When absent they are where the two hosts do not share the storage. `false`: nothing is moved in that case.",
    ),
  ),
  maxDowntime: optional(
    duration(
      "How long the guest may stand still at the end of a live move. 300ms when absent; a guest that changes its memory too fast for it is moved only with `autoConverge` or `postCopy`.",
    ),
  ),
  maxBandwidth: optional(quantity("Most bytes per second of a live move. No limit when absent.")),
  autoConverge: optional(
    boolean("Whether the guest's CPUs are slowed down where it changes its memory faster than that can be moved."),
  ),
  postCopy: optional(
    boolean(
      "Whether, where one pass over the memory was not enough, the guest goes on there with the rest of its memory still to come. It is lost if either host fails meanwhile.",
    ),
  ),
  diskFormat: optional(
    choice("Format of disks on another Provider. As they are when absent; `vmdk` is not supported.", [
      "qcow2",
      "vmdk",
      "raw",
    ]),
  ),
  compress: optional(boolean("Whether a live move compresses memory on its way.", { default: false })),
  verifyChecksums: optional(
    boolean("Whether what was copied is read again and compared with what was sent.", { default: true }),
  ),
  timeout: optional(duration("How long it may take. It is given up then.", { default: "4h" })),
  cleanupPolicy: optional(
    choice(
      "When what was copied to another Provider is removed after a failure. `Never` keeps it for a look.",
      ["Always", "OnSuccess", "Never"],
      {
        default: "OnSuccess",
      },
    ),
  ),
  retryPolicy: optional(
    struct("Further attempts after a failure of the hosts or of the network between them.", {
      maxRetries: optional(int32("How many.", { minimum: 0, maximum: 10, default: 3 })),
      retryDelay: optional(duration("From a failure to the next attempt.", { default: "5m" })),
      backoffMultiplier: optional(
        int32("Each wait is this many times as long as the last one.", { minimum: 1, maximum: 10, default: 2 }),
      ),
    }),
  ),
  validationChecks: optional(
    struct("What is looked at on another Provider afterwards.", {
      checkDiskSize: optional(boolean("Without effect: it is always looked at.", { default: true })),
      checkChecksum: optional(boolean("Without effect: `verifyChecksums` says so.", { default: true })),
      checkBoot: optional(boolean("Without effect: with `target.powerOn` it is always looked at.", { default: false })),
      checkConnectivity: optional(boolean("Not supported: nobody looks.", { default: false })),
    }),
  ),
});

const spec = struct("Which machine, where to, and how. Only `cancel` matters once it began.", {
  source,
  target,
  cancel: optional(
    boolean("`true` gives the migration up; the machine stays where it is. Too late once it runs on the other side."),
  ),
  storage: optional(storage),
  options: optional(options),
  metadata: optional(
    struct("For people and programs.", {
      purpose: optional(
        choice("What it is for.", [
          "disaster-recovery",
          "cloud-migration",
          "provider-change",
          "testing",
          "maintenance",
        ]),
      ),
      createdBy: optional(string("Who wanted it.", { maxLength: 255 })),
      project: optional(string("What it belongs to.", { maxLength: 255 })),
      environment: optional(choice("What the machine is for.", ["dev", "staging", "prod", "test", "qa", "uat"])),
      tags: optional(stringMap("Free tags.", { maxProperties: 50 })),
    }),
  ),
});

const phases = [
  "Pending",
  "Validating",
  "Snapshotting",
  "Exporting",
  "Transferring",
  "Converting",
  "Importing",
  "Creating",
  "Validating-Target",
  "Ready",
  "Failed",
  "Cancelled",
] as const;

const status = struct("How far it is.", {
  phase: optional(choice("Where the migration is in its life.", phases)),
  message: optional(whatGoesOn()),
  startTime: optional(dateTime("When it began.")),
  completionTime: optional(dateTime("When it ended.")),
  sourceHost: optional(string("Host that the machine was on.")),
  targetHost: optional(string("Host that it goes to.")),
  mode: optional(choice("How it is moved to another host.", ["Live", "Offline"])),
  storage: optional(choice("Whether the disks stay where they are or are copied.", ["Shared", "Copied"])),
  downtime: optional(duration("How long the guest stood still at the end of a live move, as the hypervisor tells.")),
  blockers: optional(
    list(
      "Everything that stood in the way when it was last looked at; nothing was touched.",
      struct("One of them.", {
        reason: string("Which, in CamelCase, for programs."),
        message: string("What it is, and what would help."),
      }),
    ),
  ),
  targetVMRef: optional(localRef("The new VirtualMachine.")),
  targetVMID: optional(string("Its id on the hypervisor.")),
  snapshotRef: optional(string("The VMSnapshot that was taken for it.")),
  snapshotID: optional(string("Its id on the provider.")),
  exportID: optional(string("Of the export.")),
  importID: optional(string("Of the import.")),
  taskRef: optional(string("The provider's task.")),
  storagePVCName: optional(string("Not used.")),
  retryCount: optional(int32("Attempts after the first one.", { minimum: 0 })),
  lastRetryTime: optional(dateTime("When the last of them began.")),
  nextAttemptTime: optional(dateTime("When the next attempt is made.")),
  progress: optional(
    struct("How far the work is.", {
      currentPhase: optional(choice("What is being done.", phases)),
      totalBytes: optional(int64("All of it; it grows while a guest that runs goes on writing.")),
      transferredBytes: optional(int64("Done.")),
      transferRate: optional(int64("Bytes per second.")),
      percentage: optional(percentage()),
      eta: optional(eta()),
      phaseStartTime: optional(dateTime("When this phase began.")),
    }),
  ),
  diskInfo: optional(
    struct("The root disk, of a migration to another Provider.", {
      sourceDiskID: optional(string("Its volume there.")),
      sourceFormat: optional(string("Its format there.")),
      sourceChecksum: optional(string("SHA-256 of what was sent.")),
      sourceSize: optional(quantity("Its size there.")),
      targetDiskID: optional(string("Its volume here.")),
      targetFormat: optional(string("Its format here.")),
      targetPath: optional(string("Where it lies here.")),
      targetChecksum: optional(string("SHA-256 of what was read back.")),
      targetSize: optional(quantity("Its size here.")),
      checksum: optional(string("SHA-256, when both are the same.")),
    }),
  ),
  disks: optional(
    list(
      "All disks, of a migration to another Provider.",
      struct("One disk.", {
        name: string("Its name in the machine."),
        volume: string("Its volume there."),
        sizeBytes: int64("Bytes that were sent."),
        checksum: optional(string("SHA-256 of both ends.")),
      }),
    ),
  ),
  storageInfo: optional(opaque("Not used: nothing is kept on the way.")),
  validationResults: optional(
    struct("What was seen on the other Provider.", {
      diskSizeMatch: optional(boolean("Whether the disks have the size that they had.")),
      checksumMatch: optional(boolean("Whether they hold the bytes that they held.")),
      bootSuccess: optional(boolean("Whether the machine runs.")),
      connectivitySuccess: optional(boolean("Whether it has an address.")),
      validationErrors: optional(list("What did not hold.", string("One of them."))),
    }),
  ),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether the machine is where it was to go, or why not yet."),
});

export type VMMigrationSpec = Static<typeof spec>;
export type VMMigrationStatus = Static<typeof status>;
export type VMMigration = Resource<VMMigrationSpec, VMMigrationStatus>;

export const VMMigration: KindDefinition<VMMigration> = defineKind({
  ...infra,
  kind: "VMMigration",
  plural: "vmmigrations",
  shortNames: ["vmmig"],
  description: "One move of a virtual machine, to another host of its Provider or to another Provider.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Source", type: "string", jsonPath: ".spec.source.vmRef.name" },
    { name: "Target", type: "string", jsonPath: ".spec.target.name" },
    { name: "From", type: "string", jsonPath: ".status.sourceHost" },
    { name: "To", type: "string", jsonPath: ".status.targetHost" },
    phaseColumn,
    { name: "Progress", type: "integer", jsonPath: ".status.progress.percentage" },
    ageColumn,
    { name: "Mode", type: "string", jsonPath: ".status.mode", priority: 1 },
    { name: "Storage", type: "string", jsonPath: ".status.storage", priority: 1 },
    { name: "Downtime", type: "string", jsonPath: ".status.downtime", priority: 1 },
    { name: "ETA", type: "string", jsonPath: ".status.progress.eta", priority: 1 },
    messageColumn,
  ],
});
