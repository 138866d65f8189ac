// StoragePool: where volumes of a provider lie, how full it is, and how full it may get.

import type { Static } from "typebox";
import { controllerRecord, objectRef, observed, whatGoesOn } from "./common-fields.ts";
import { choice, int32, int64, list, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const poolTypes = [
  "dir",
  "fs",
  "netfs",
  "logical",
  "disk",
  "iscsi",
  "iscsi-direct",
  "scsi",
  "mpath",
  "rbd",
  "gluster",
  "zfs",
  "vstorage",
] as const;

// No shell and no XML ever sees it, but a person reads it: no spaces, no slashes.
const poolName = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

const spec = struct("Where volumes lie. Exactly one of `adopt` and `create` says how the pool comes to be.", {
  providerRef: optional(
    objectRef("The Provider that has the pool. May be absent where there is only one Provider in the namespace."),
  ),
  adopt: optional(
    struct(
      "A pool that is on the hypervisor already. It is never changed or destroyed; deleting this object lets go of it.",
      {
        name: string("Its name on the hypervisor.", { minLength: 1, maxLength: 253, pattern: poolName }),
      },
    ),
  ),
  create: optional(
    struct("A pool to be made. It is removed with this object, once no volume is left in it.", {
      type: choice(
        "What it is made of; as libvirt calls it. What the host cannot do is refused with the reason before anything is touched.",
        poolTypes,
      ),
      path: optional(
        string("Folder on the host: for `dir` the folder itself, for `fs` and `netfs` where it is mounted.", {
          pattern: "^/",
          maxLength: 4096,
        }),
      ),
      source: optional(
        struct("What lies below the pool; which fields are needed follows from the type.", {
          host: optional(string("Server (`netfs`, `iscsi`, `gluster`, `rbd`).", { minLength: 1 })),
          port: optional(int32("Port of the server.", { minimum: 1, maximum: 65535 })),
          path: optional(string("Folder that the server exports (`netfs`), or folder of the volume (`gluster`).")),
          devices: optional(
            list(
              "Block devices (`fs`, `logical`, `disk`) or targets (`iscsi`).",
              string("One device.", { minLength: 1 }),
            ),
          ),
          name: optional(
            string("Name of the volume group, pool or adapter (`logical`, `rbd`, `zfs`, `gluster`, `scsi`)."),
          ),
          format: optional(
            string("File system (`fs`, such as ext4), protocol (`netfs`, such as nfs), or partition table (`disk`)."),
          ),
        }),
      ),
    }),
  ),
  policy: optional(
    struct("The guard against filling up: no new volume is made, and none grown, beyond it.", {
      overcommitPercent: optional(
        int32("How much may be promised to volumes altogether, in percent of the pool's capacity.", {
          minimum: 1,
          maximum: 10000,
          default: 200,
        }),
      ),
      minFreePercent: optional(
        int32("How much of the pool's capacity must stay free; below it the condition `CapacityLow` is true.", {
          minimum: 0,
          maximum: 99,
          default: 5,
        }),
      ),
    }),
  ),
});

const status = struct("What was seen of the pool.", {
  phase: optional(choice("Where the pool is in its life.", ["Pending", "Ready", "Inactive", "Failed", "Deleting"])),
  message: optional(whatGoesOn()),
  pool: optional(string("Its name on the hypervisor.")),
  type: optional(string("What it is made of.")),
  path: optional(string("Folder on the host, where it has one.")),
  capacityBytes: optional(int64("Size, bytes.")),
  allocationBytes: optional(int64("Taken, bytes.")),
  availableBytes: optional(int64("Free, bytes.")),
  capacity: optional(string("Size, for people.")),
  available: optional(string("Free, for people.")),
  provisionedBytes: optional(int64("Promised to volumes: the sum of their sizes as guests see them, bytes.")),
  volumes: optional(int32("Volumes in it, of ours and of others.")),
  usedPercent: optional(int32("How much of it is taken, percent.")),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether volumes can be made. `CapacityLow`: whether the policy's limit is reached."),
});

export type StoragePoolSpec = Static<typeof spec>;
export type StoragePoolStatus = Static<typeof status>;
export type StoragePool = Resource<StoragePoolSpec, StoragePoolStatus>;

export const StoragePool: KindDefinition<StoragePool> = defineKind({
  ...vivarium,
  kind: "StoragePool",
  plural: "storagepools",
  shortNames: ["pool", "pools"],
  description: "A place on a provider where volumes lie: adopted as it is, or made from its declaration.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    phaseColumn,
    { name: "Type", type: "string", jsonPath: ".status.type" },
    { name: "Pool", type: "string", jsonPath: ".status.pool" },
    { name: "Used%", type: "integer", jsonPath: ".status.usedPercent" },
    { name: "Volumes", type: "integer", jsonPath: ".status.volumes" },
    { name: "Low", type: "string", jsonPath: '.status.conditions[?(@.type=="CapacityLow")].status' },
    ageColumn,
    { name: "Capacity", type: "string", jsonPath: ".status.capacity", priority: 1 },
    { name: "Available", type: "string", jsonPath: ".status.available", priority: 1 },
    { name: "Path", type: "string", jsonPath: ".status.path", priority: 1 },
    messageColumn,
  ],
});

/** The guard's limits, with the defaults where the spec says nothing. */
export function poolPolicyOf(spec: StoragePoolSpec): {
  readonly overcommitPercent: number;
  readonly minFreePercent: number;
} {
  return {
    overcommitPercent: spec.policy?.overcommitPercent ?? 200,
    minFreePercent: spec.policy?.minFreePercent ?? 5,
  };
}
