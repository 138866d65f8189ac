// Volume: one disk in a StoragePool, with a life of its own. Machines refer to it; it outlives them.

import type { Static } from "typebox";
import { controllerRecord, objectRef, observed, whatGoesOn } from "./common-fields.ts";
import { boolean, choice, int64, list, optional, quantity, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const spec = struct("What the volume shall be. Only `size` and `deletionProtection` may change later.", {
  poolRef: objectRef("The StoragePool that it lies in."),
  size: optional(
    quantity("Size as the guest sees it. It can grow, never shrink. May be absent with a source: that one's size."),
  ),
  format: optional(
    choice(
      "`qcow2` can be a clone and takes space as it is written; `raw` is the bytes themselves.",
      ["qcow2", "raw"],
      {
        default: "qcow2",
      },
    ),
  ),
  preallocation: optional(
    choice(
      "Space set aside at once: `none`, `metadata` (qcow2's own tables), or `full`.",
      ["none", "metadata", "full"],
      { default: "none" },
    ),
  ),
  source: optional(
    struct("What it begins with; empty when absent. Exactly one of `volumeRef`, `imageRef` and `url`.", {
      volumeRef: optional(objectRef("Another Volume of the same provider; nothing that runs may use it meanwhile.")),
      imageRef: optional(objectRef("A VMImage.")),
      url: optional(
        string("A qcow2 or raw file: http:, https: or file:.", { pattern: "^(https?|file):", maxLength: 4096 }),
      ),
      checksum: optional(string("Checksum of what `url` gives: `sha256:` or `sha512:` and hexadecimal digits.")),
      method: optional(
        choice(
          "`copy` makes a volume that stands alone; `linked` one that keeps only what differs, so that its source cannot be deleted.",
          ["copy", "linked"],
          { default: "copy" },
        ),
      ),
    }),
  ),
  deletionProtection: optional(boolean("Whether deleting it waits until this is false.", { default: false })),
});

const status = struct("What was seen of the volume.", {
  phase: optional(
    choice("Where the volume is in its life. `Lost`: it was there and is not; it is never silently replaced.", [
      "Pending",
      "Creating",
      "Ready",
      "Lost",
      "Failed",
      "Deleting",
    ]),
  ),
  message: optional(whatGoesOn()),
  pool: optional(string("Name of the pool on the hypervisor.")),
  volume: optional(string("Name of the volume on the hypervisor.")),
  path: optional(string("Where it lies on the host.")),
  format: optional(string("Its format.")),
  capacityBytes: optional(int64("Size as the guest sees it, bytes.")),
  allocationBytes: optional(int64("Space that it takes, bytes.")),
  capacity: optional(string("Size as the guest sees it, for people.")),
  allocation: optional(string("Space that it takes, for people.")),
  usedBy: optional(
    list(
      "What uses it: machines on the hypervisor, machines that refer to it, volumes that back onto it.",
      string("One user."),
    ),
  ),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether a machine can use it. `Resized`: whether it has the declared size."),
});

export type VolumeSpec = Static<typeof spec>;
export type VolumeStatus = Static<typeof status>;
export type Volume = Resource<VolumeSpec, VolumeStatus>;

export const Volume: KindDefinition<Volume> = defineKind({
  ...vivarium,
  kind: "Volume",
  plural: "volumes",
  shortNames: ["vol"],
  description:
    "A disk in a StoragePool: made empty, copied or cloned; attached to machines, grown, protected, deleted.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    phaseColumn,
    { name: "Pool", type: "string", jsonPath: ".spec.poolRef.name" },
    { name: "Size", type: "string", jsonPath: ".status.capacity" },
    { name: "Format", type: "string", jsonPath: ".status.format" },
    { name: "Used by", type: "string", jsonPath: ".status.usedBy[*]" },
    ageColumn,
    { name: "Path", type: "string", jsonPath: ".status.path", priority: 1 },
    { name: "Allocation", type: "string", jsonPath: ".status.allocation", priority: 1 },
    messageColumn,
  ],
});
