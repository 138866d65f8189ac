// VMClass: a size and a hardware profile that many machines share.

import type { Static } from "typebox";
import { observed } from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  int32,
  list,
  map,
  optional,
  quantity,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const spec = struct("Size and hardware of the machines of this class.", {
  cpu: int32("Virtual CPUs.", { minimum: 1, maximum: 128 }),
  memory: quantity("Memory, for example `4Gi`."),
  firmware: optional(choice("Firmware; `EFI` is another word for UEFI.", ["BIOS", "UEFI", "EFI"], { default: "BIOS" })),
  diskDefaults: optional(
    struct("Root disk, and what other disks do not say themselves.", {
      type: optional(
        choice("How space is set aside.", ["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"], {
          default: "thin",
        }),
      ),
      size: optional(quantity("Size of the root disk; never smaller than the image.", { default: "40Gi" })),
      iops: optional(int32("Limit of I/O operations per second.", { minimum: 100, maximum: 100000 })),
      storageClass: optional(string("Kind of storage, by a name the provider knows.", { maxLength: 253 })),
    }),
  ),
  guestToolsPolicy: optional(
    choice("What to do about the guest agent.", ["install", "skip", "upgrade", "uninstall"], { default: "install" }),
  ),
  extraConfig: optional(stringMap("Settings that only the provider understands.", { maxProperties: 50 })),
  resourceLimits: optional(
    struct("Limits and guarantees.", {
      cpuLimit: optional(int32("Most CPU, MHz, of all CPUs together.", { minimum: 100, maximum: 100000 })),
      cpuReservation: optional(int32("Guaranteed CPU, MHz.", { minimum: 0, maximum: 100000 })),
      cpuShares: optional(int32("Weight against other machines.", { minimum: 1, maximum: 1000000 })),
      memoryLimit: optional(
        quantity("Most memory of the host, with the 128 MiB or more that running a machine takes besides."),
      ),
      memoryReservation: optional(quantity("Guaranteed memory.")),
    }),
  ),
  performanceProfile: optional(
    struct("Performance.", {
      latencySensitivity: optional(
        choice("How much latency matters.", ["low", "normal", "high"], { default: "normal" }),
      ),
      cpuHotAddEnabled: optional(
        boolean("Whether CPUs can be added while it runs; room for them is made at each start.", { default: false }),
      ),
      maxCpu: optional(
        int32("How many CPUs it can have while it runs; four times as many as it has when absent.", {
          minimum: 1,
          maximum: 128,
        }),
      ),
      memoryHotAddEnabled: optional(
        boolean("Whether memory can be given and taken while it runs; the guest needs a balloon driver.", {
          default: false,
        }),
      ),
      maxMemory: optional(
        quantity("How much memory it can have while it runs; four times as much as it has when absent."),
      ),
      cpuModel: optional(
        string(
          "CPU that the guest sees: `host-passthrough`, `host-model`, or the name of a model that the host offers; what suits the host when absent.",
          { minLength: 1, maxLength: 63 },
        ),
      ),
      cpuTopology: optional(
        struct("How the CPUs are arranged; the product is the number of CPUs, or of those that there is room for.", {
          sockets: int32("Sockets.", { minimum: 1, maximum: 128 }),
          cores: int32("Cores of each socket.", { minimum: 1, maximum: 128 }),
          threads: int32("Threads of each core.", { minimum: 1, maximum: 128 }),
        }),
      ),
      virtualizationBasedSecurity: optional(boolean("Virtualization-based security (Windows).", { default: false })),
      nestedVirtualization: optional(boolean("Whether the guest can run virtual machines itself.", { default: false })),
      hyperThreadingPolicy: optional(
        choice("Whether to share a core with others.", ["auto", "prefer", "avoid", "require"], { default: "auto" }),
      ),
    }),
  ),
  securityProfile: optional(
    struct("Security.", {
      secureBoot: optional(boolean("UEFI secure boot.", { default: false })),
      tpmEnabled: optional(boolean("An emulated TPM.", { default: false })),
      tpmVersion: optional(choice("Version of the TPM.", ["1.2", "2.0"])),
      vtdEnabled: optional(boolean("An emulated IOMMU.", { default: false })),
      encryptionPolicy: optional(
        struct("Encryption of the machine.", {
          enabled: optional(boolean("Whether to encrypt.", { default: false })),
          keyProvider: optional(choice("Who holds the key.", ["standard", "hardware", "external"])),
          requireEncryption: optional(boolean("Whether to refuse to run unencrypted.", { default: false })),
        }),
      ),
    }),
  ),
});

const status = struct("Who uses the class.", {
  usedByVMs: optional(int32("How many machines use it.")),
  supportedProviders: optional(list("Providers that can run it.", string("Name of a Provider."))),
  validationResults: optional(
    map(
      "What each provider says of it.",
      struct("What one provider says.", {
        valid: boolean("Whether it can run."),
        message: optional(string("Why not.")),
        warnings: optional(list("What to know.", string("One warning."))),
        lastValidated: optional(dateTime("When that was asked.")),
      }),
    ),
  ),
  ...observed("`Ready`: whether machines of this class can be made."),
});

export type VMClassSpec = Static<typeof spec>;
export type VMClassStatus = Static<typeof status>;
export type VMClass = Resource<VMClassSpec, VMClassStatus>;

export const VMClass: KindDefinition<VMClass> = defineKind({
  ...infra,
  kind: "VMClass",
  plural: "vmclasses",
  shortNames: ["vmclass"],
  description: "A size and a hardware profile for virtual machines.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "CPU", type: "integer", jsonPath: ".spec.cpu" },
    { name: "Memory", type: "string", jsonPath: ".spec.memory" },
    { name: "Firmware", type: "string", jsonPath: ".spec.firmware" },
    { name: "Used By", type: "integer", jsonPath: ".status.usedByVMs" },
    ageColumn,
  ],
});
