// VMClone: one VirtualMachine made from another, from a snapshot, a template or an image. Two spellings of the same wish are accepted;
// `cloneWishOf` turns either into one.

import type { Static } from "typebox";
import {
  controllerRecord,
  entryName,
  eta,
  ipv4Pattern,
  localRef,
  macPattern,
  objectRef,
  observed,
  percentage,
  whatGoesOn,
} from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  duration,
  int32,
  int64,
  list,
  listByKey,
  optional,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra, messageColumn, phaseColumn } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { ObjectKey, Resource } from "./meta.ts";
import { userData } from "./user-data.ts";
import { networkInterface, virtualMachineDisk } from "./virtual-machine.ts";

const cloneTypes = ["FullClone", "LinkedClone", "InstantClone"] as const;

const password = (description: string) =>
  struct(description, {
    value: optional(string("The password itself.")),
    secretRef: optional(localRef("The Secret with it.")),
    secretKey: optional(string("Its key there.")),
  });

const spec = struct(
  "What is cloned, and what becomes of it. Once the clone is made, only `linked` and `options.type` matter.",
  {
    source: optional(
      struct("What is cloned: exactly one of these, or `sourceRef`.", {
        vmRef: optional(
          localRef("A VirtualMachine, running or not. A snapshot is taken for it, which goes when nothing needs it."),
        ),
        snapshotRef: optional(localRef("A VMSnapshot.")),
        templateRef: optional(objectRef("A VMTemplate.")),
        imageRef: optional(objectRef("A VMImage.")),
      }),
    ),
    sourceRef: optional(localRef("A VirtualMachine. As `source.vmRef`.")),
    target: struct("The machine that is made.", {
      name: string("Name of the VirtualMachine.", { maxLength: 253, pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" }),
      namespace: optional(
        string(
          "Its namespace; that of the VMClone when absent. Another one must agree: its annotation vivarium.dev/clones-from names this one, or is `*`.",
          { maxLength: 63, pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
        ),
      ),
      providerRef: optional(objectRef("Its Provider: that of the source, for disks are copied on one host.")),
      classRef: optional(localRef("Its VMClass, in its namespace; that of the source when absent.")),
      placementRef: optional(localRef("The VMPlacementPolicy to follow.")),
      networks: optional(
        listByKey("Its interfaces, instead of those of the source.", "name", networkInterface, { maxItems: 10 }),
      ),
      disks: optional(
        listByKey(
          "Disks beside those of the source; one that has a name of the source's grows to this size.",
          "name",
          virtualMachineDisk,
          { maxItems: 20 },
        ),
      ),
      labels: optional(stringMap("Its labels, besides those of the source.", { maxProperties: 50 })),
      annotations: optional(stringMap("Its annotations.", { maxProperties: 50 })),
    }),
    linked: optional(
      boolean("Whether the disks keep only what differs from the source. As `options.type` LinkedClone."),
    ),
    powerOn: optional(boolean("Whether the clone is started. As `options.powerOn`. It is left off when absent.")),
    options: optional(
      struct("How it is made.", {
        type: optional(
          choice(
            "`FullClone` copies the disks; `LinkedClone` keeps only what differs, and needs its source. FullClone when absent. A linked clone that is there becomes independent when this is FullClone. InstantClone is not supported.",
            cloneTypes,
          ),
        ),
        powerOn: optional(boolean("Whether the clone is started.")),
        includeSnapshots: optional(boolean("Not supported when true.")),
        parallel: optional(boolean("Whether several disks are copied at once.")),
        timeout: optional(duration("How long it may take in all. 30m when absent.")),
        retryPolicy: optional(
          struct("What happens when the copy of the disks fails.", {
            maxRetries: optional(int32("How often it is tried again. 3 when absent.", { minimum: 0, maximum: 10 })),
            retryDelay: optional(duration("How long is waited before it. 10s when absent.")),
            backoffMultiplier: optional(
              int32("By how much each wait is longer than the one before. 2 when absent.", { minimum: 1 }),
            ),
          }),
        ),
        storage: optional(
          struct("Where and how disks lie. They lie in the pool of the source; told in status what is not applied.", {
            datastore: optional(string("Datastore.", { maxLength: 255 })),
            folder: optional(string("Folder.", { maxLength: 255 })),
            storageClass: optional(string("Kind of storage.", { maxLength: 253 })),
            diskFormat: optional(
              choice("How space is set aside.", ["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"]),
            ),
            preferThinProvisioning: optional(boolean("Whether space is taken as it is written.")),
            enableCompression: optional(boolean("Whether disks are compressed.")),
          }),
        ),
        performance: optional(
          struct("How hard the copy may work; told in status that it is not applied.", {
            priority: optional(choice("Against other work.", ["Low", "Normal", "High"])),
            ioThrottling: optional(boolean("Whether it is held back.")),
            maxIOPS: optional(int32("Reads and writes per second.", { minimum: 100, maximum: 100_000 })),
            concurrentDisks: optional(int32("How many disks at once.", { minimum: 1, maximum: 10 })),
          }),
        ),
      }),
    ),
    customization: optional(
      struct("What differs inside the guest, by cloud-init at the clone's first boot.", {
        hostname: optional(
          string("Host name; the clone's name when absent.", {
            maxLength: 255,
            pattern: "^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$",
          }),
        ),
        domain: optional(string("DNS domain of the host.", { maxLength: 255 })),
        timeZone: optional(string("Time zone, such as Europe/Berlin.", { maxLength: 100 })),
        networks: optional(
          list(
            "Addresses by interface.",
            struct("One interface.", {
              name: entryName("Name of the interface."),
              ipAddress: optional(string("Static IPv4 address.", { pattern: ipv4Pattern })),
              subnetMask: optional(
                string("Its netmask, such as 255.255.255.0, which is what is meant when absent.", {
                  pattern: ipv4Pattern,
                }),
              ),
              gateway: optional(string("Default gateway.", { pattern: ipv4Pattern })),
              dns: optional(list("Name servers.", string("One address."), { maxItems: 5 })),
              dhcp: optional(boolean("Ask for an address instead.")),
              macAddress: optional(string("MAC address; a new one when absent.", { pattern: macPattern })),
            }),
            { maxItems: 10 },
          ),
        ),
        userData: optional(userData("First-boot configuration, instead of that of the source.")),
        tags: optional(list("Tags, instead of those of the source.", string("One tag."), { maxItems: 50 })),
        certificates: optional(
          list(
            "Certificates to install. Not supported.",
            struct("One certificate.", {
              name: string("Its name.", { maxLength: 255 }),
              data: optional(string("The certificate itself.")),
              secretRef: optional(localRef("The Secret with it.")),
              secretKey: optional(string("Its key there.")),
              store: optional(choice("Where it goes.", ["root", "ca", "my", "trust"])),
            }),
            { maxItems: 10 },
          ),
        ),
        guestCommands: optional(
          list(
            "Commands to run in the guest. Not supported: use `userData` with runcmd.",
            struct("One command.", {
              command: string("The command.", { maxLength: 1000 }),
              arguments: optional(list("Its arguments.", string("One of them."), { maxItems: 20 })),
              workingDirectory: optional(string("Where it runs.", { maxLength: 500 })),
              runAsUser: optional(string("Who runs it.", { maxLength: 255 })),
              timeout: optional(duration("How long it may take.")),
              stage: optional(choice("When.", ["pre-customization", "post-customization", "first-boot"])),
            }),
            { maxItems: 20 },
          ),
        ),
        sysprep: optional(
          struct("Windows' own way. Not supported when enabled.", {
            enabled: optional(boolean("Whether it runs.")),
            productKey: optional(string("Product key.")),
            organization: optional(string("Organization.", { maxLength: 255 })),
            owner: optional(string("Owner.", { maxLength: 255 })),
            adminPassword: optional(password("The administrator's password.")),
            joinDomain: optional(
              struct("The domain to join.", {
                domain: string("Its name.", { maxLength: 255 }),
                username: string("Who may join.", { maxLength: 255 }),
                password: password("His password."),
                organizationalUnit: optional(string("Where in it.", { maxLength: 500 })),
              }),
            ),
            customCommands: optional(list("Commands.", string("One of them."), { maxItems: 20 })),
          }),
        ),
      }),
    ),
    metadata: optional(
      struct("For people and programs.", {
        purpose: optional(
          choice("What the clone is for.", ["backup", "testing", "migration", "development", "production", "staging"]),
        ),
        createdBy: optional(string("Who made it.", { maxLength: 255 })),
        project: optional(string("For which project.", { maxLength: 255 })),
        environment: optional(choice("What it is for.", ["dev", "staging", "prod", "test", "qa", "uat"])),
        tags: optional(stringMap("Free tags.", { maxProperties: 50 })),
      }),
    ),
  },
);

const status = struct("What became of the clone.", {
  source: optional(string("What it is made from, as KIND/NAME.")),
  targetRef: optional(localRef("The VirtualMachine that was made.")),
  targetVMID: optional(string("Its id on the hypervisor.")),
  phase: optional(
    choice("How far it is.", ["Pending", "Preparing", "Cloning", "Customizing", "Powering-On", "Ready", "Failed"]),
  ),
  message: optional(whatGoesOn()),
  startTime: optional(dateTime("When it began.")),
  completionTime: optional(dateTime("When it ended.")),
  taskRef: optional(string("The provider's task.")),
  actualCloneType: optional(choice("How it was made.", cloneTypes)),
  consistency: optional(
    choice("What of a running source the clone has: see VMSnapshot.", ["Off", "Memory", "Filesystem", "Crash"]),
  ),
  snapshotRef: optional(localRef("The VMSnapshot that it is made from; a linked clone needs it.")),
  disks: optional(list("Disks that were cloned.", string("Name of the disk."))),
  leftOut: optional(
    list("What of the source the clone does not have, and fields that are not applied.", string("One of them.")),
  ),
  progress: optional(
    struct("How far the copy of the disks is.", {
      totalDisks: optional(int32("Disks in all.")),
      completedDisks: optional(int32("Disks that are done.")),
      overallPercentage: optional(percentage()),
      eta: optional(eta()),
      currentDisk: optional(
        struct("The disk that is copied now.", {
          name: string("Its name."),
          totalBytes: optional(int64("All of it.")),
          completedBytes: optional(int64("Done.")),
          transferRate: optional(int64("Bytes per second.")),
          percentage: optional(percentage()),
        }),
      ),
    }),
  ),
  customizationStatus: optional(
    struct("What becomes of the guest.", {
      started: optional(boolean("Whether it has begun.")),
      completed: optional(boolean("Whether all that is done from outside is done.")),
      currentStep: optional(string("The step that is being taken.")),
      completedSteps: optional(list("Steps that were taken.", string("One of them."))),
      failedSteps: optional(list("Steps that failed.", string("One of them."))),
      message: optional(string("What the guest does by itself at its first boot.")),
    }),
  ),
  retryCount: optional(int32("How often the copy was tried again.")),
  lastRetryTime: optional(dateTime("When it was last tried again.")),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether the clone is made. `Cloning` and `Customizing`: whether that is going on."),
});

export type VMCloneSpec = Static<typeof spec>;
export type VMCloneStatus = Static<typeof status>;
export type VMClone = Resource<VMCloneSpec, VMCloneStatus>;

export const VMClone: KindDefinition<VMClone> = defineKind({
  ...infra,
  kind: "VMClone",
  plural: "vmclones",
  shortNames: ["vmclone"],
  description:
    "A VirtualMachine made from another, from a snapshot, a template or an image; full, or linked to what it was made from.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Source", type: "string", jsonPath: ".status.source" },
    { name: "Target", type: "string", jsonPath: ".spec.target.name" },
    phaseColumn,
    { name: "Clone Type", type: "string", jsonPath: ".status.actualCloneType" },
    { name: "Progress", type: "integer", jsonPath: ".status.progress.overallPercentage" },
    ageColumn,
    messageColumn,
  ],
});

export type CloneSource =
  | { readonly kind: "vm"; readonly name: string }
  | { readonly kind: "snapshot"; readonly name: string }
  | { readonly kind: "template"; readonly key: Required<ObjectKey> }
  | { readonly kind: "image"; readonly key: Required<ObjectKey> };

/** What is wished for, in one form. */
export interface CloneWish {
  /** Absent where the spec names none, or several; `problems` says so. */
  readonly source?: CloneSource;
  readonly target: Required<ObjectKey>;
  readonly isLinked: boolean;
  readonly powerOn: boolean;
  /** Fields that contradict each other, or ask for what there is not. */
  readonly problems: readonly string[];
  /** Fields that the clone can do without, and that are not applied. */
  readonly notApplied: readonly string[];
}

export function cloneWishOf({ metadata, spec: wanted }: Pick<VMClone, "metadata" | "spec">): CloneWish {
  const { options, target, customization, source = {}, sourceRef } = wanted;
  const namespace = metadata.namespace ?? "default";
  const keyOf = (ref: { readonly name: string; readonly namespace?: string }): Required<ObjectKey> => ({
    name: ref.name,
    namespace: ref.namespace ?? namespace,
  });
  const vmRef = source.vmRef ?? sourceRef;
  const sources: readonly CloneSource[] = [
    ...(vmRef === undefined ? [] : [{ kind: "vm", name: vmRef.name } as const]),
    ...(source.snapshotRef === undefined ? [] : [{ kind: "snapshot", name: source.snapshotRef.name } as const]),
    ...(source.templateRef === undefined ? [] : [{ kind: "template", key: keyOf(source.templateRef) } as const]),
    ...(source.imageRef === undefined ? [] : [{ kind: "image", key: keyOf(source.imageRef) } as const]),
  ];
  const [first] = sources;
  const isLinked = wanted.linked ?? options?.type === "LinkedClone";
  const isTold = wanted.linked !== undefined && options?.type !== undefined;
  return {
    ...(first !== undefined && sources.length === 1 ? { source: first } : {}),
    target: { name: target.name, namespace: target.namespace ?? namespace },
    isLinked,
    powerOn: wanted.powerOn ?? options?.powerOn ?? false,
    problems: [
      ...(sources.length === 1
        ? []
        : [
            `spec.source names ${sources.length} sources, expected one of vmRef, snapshotRef, templateRef and imageRef`,
          ]),
      ...(isTold && wanted.linked !== (options.type === "LinkedClone")
        ? [`spec.linked is ${String(wanted.linked)}, and spec.options.type is ${options.type}`]
        : []),
      ...(options?.type === "InstantClone" ? ["spec.options.type InstantClone is not supported"] : []),
      ...(options?.includeSnapshots === true ? ["spec.options.includeSnapshots is not supported"] : []),
      ...((customization?.certificates ?? []).length > 0 ? ["spec.customization.certificates is not supported"] : []),
      ...((customization?.guestCommands ?? []).length > 0
        ? ["spec.customization.guestCommands is not supported: use userData with runcmd"]
        : []),
      ...(customization?.sysprep?.enabled === true ? ["spec.customization.sysprep is not supported"] : []),
    ],
    notApplied: [
      ...Object.keys(options?.storage ?? {}).map((key) => `spec.options.storage.${key}`),
      ...Object.keys(options?.performance ?? {}).map((key) => `spec.options.performance.${key}`),
    ],
  };
}
