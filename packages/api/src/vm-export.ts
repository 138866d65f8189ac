// VMExport: the root disk of a machine made into a VMImage or a file: copied, compressed, compared with what was copied, registered or kept
// to be fetched.

import type { Static } from "typebox";
import { controllerRecord, localRef, observed, whatGoesOn } from "./common-fields.ts";
import { boolean, choice, dateTime, duration, int32, int64, optional, quantity, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

/** What a file that is exported can be. */
export const exportFormats = ["qcow2", "raw", "vmdk", "ova"] as const;
export type ExportFormat = (typeof exportFormats)[number];

const spec = struct("What is made of what. Once it has begun nothing of it changes.", {
  vmRef: localRef("The VirtualMachine. It may run."),
  target: struct("What is made: either an image or a file.", {
    imageName: optional(
      string("Name of the VMImage, which must not exist.", {
        maxLength: 253,
        pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
      }),
    ),
    file: optional(
      struct("A file on the server, to be fetched with `viv export`, or by GET of the subresource `file`.", {
        format: choice(
          "`qcow2` is compressed; `raw` is the disk byte for byte; `vmdk` is streamOptimized; `ova` is such a VMDK in a package with descriptor and manifest.",
          exportFormats,
        ),
        keepFor: optional(duration("How long it is kept there once it is made.", { default: "24h" })),
      }),
    ),
  }),
  live: optional(
    boolean(
      "Whether a machine that runs goes on, its disk as a snapshot holds it. Else it is shut down while its disk is copied, and started again before that is compressed.",
      { default: false },
    ),
  ),
  verify: optional(
    struct("When what was made counts as verified. What fails is not registered, and not kept.", {
      by: optional(
        choice(
          "`Boot`: a throw-away machine of it, with no network and with a disk of its own upon it, came up. `Digest`: it was compared with the disk and read again, as it always is, and nothing more.",
          ["Boot", "Digest"],
          { default: "Boot" },
        ),
      ),
      consoleText: optional(
        string(
          "The guest has come up when its serial line says this, or when its guest agent answers, whichever is first.",
          { minLength: 1, maxLength: 200, default: "login:" },
        ),
      ),
      timeout: optional(duration("How long that guest may take to come up.", { default: "15m" })),
    }),
  ),
  timeout: optional(
    duration(
      "How long it may take to read, compress and compare the copied disk, and then to bring it to the host where it is booted.",
      { default: "2h" },
    ),
  ),
});

export const vmExportPhases = [
  "Pending",
  "Stopping",
  "Copying",
  "Compressing",
  "Verifying",
  "Succeeded",
  "Failed",
  "Deleting",
] as const;

const status = struct("How far it is.", {
  phase: optional(choice("Where it is.", vmExportPhases)),
  message: optional(whatGoesOn()),
  percentage: optional(int32("Part done of this phase.", { minimum: 0, maximum: 100 })),
  consistency: optional(
    choice("What of the machine it holds: see VMSnapshot.", ["Off", "Memory", "Filesystem", "Crash"]),
  ),
  image: optional(string("Name of the VMImage that was registered.")),
  path: optional(string("Where its file lies on the server.")),
  format: optional(choice("What the file is.", exportFormats)),
  digest: optional(string("`sha256:` and the digest of the file, as it was read again.")),
  size: optional(quantity("Size of the file.")),
  sizeBytes: optional(int64("The same in bytes.")),
  virtualSizeBytes: optional(int64("Size of the disk as a guest sees it.")),
  startedAt: optional(dateTime("When it began.")),
  finishedAt: optional(dateTime("When it succeeded or failed.")),
  record: optional(controllerRecord()),
  ...observed(
    "`Complete`: whether the image is registered, or the file made. `Verified`: how it was verified, or why it is not.",
  ),
});

export type VMExportSpec = Static<typeof spec>;
export type VMExportStatus = Static<typeof status>;
export type VMExport = Resource<VMExportSpec, VMExportStatus>;

export const VMExport: KindDefinition<VMExport> = defineKind({
  ...vivarium,
  kind: "VMExport",
  plural: "vmexports",
  shortNames: ["vmexp"],
  description:
    "The root disk of a machine made into a VMImage or a file. The file lasts as long as this object, which waits for an image that is read from it.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "VM", type: "string", jsonPath: ".spec.vmRef.name" },
    { name: "Image", type: "string", jsonPath: ".spec.target.imageName" },
    { name: "Format", type: "string", jsonPath: ".status.format" },
    phaseColumn,
    { name: "Done", type: "integer", jsonPath: ".status.percentage" },
    { name: "Size", type: "string", jsonPath: ".status.size" },
    { name: "Verified", type: "string", jsonPath: '.status.conditions[?(@.type=="Verified")].reason' },
    ageColumn,
    messageColumn,
  ],
});
