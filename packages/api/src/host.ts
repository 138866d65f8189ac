// Host: a machine that a Provider has, as it was found: how large it is, what of it is taken, what it can do, and whether it answers.

import type { Static } from "typebox";
import { localRef, observed } from "./common-fields.ts";
import { boolean, choice, dateTime, int32, int64, list, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { taints } from "./taints.ts";

const spec = struct(
  "Which host it is. Made from the Provider: only `unschedulable` and `taints` are yours to change.",
  {
    providerRef: localRef("The Provider that has it; in the same namespace."),
    unschedulable: optional(
      boolean("Whether no further machine may be put there. Those that are there stay. False when absent."),
    ),
    taints: optional(taints("What keeps machines away that do not tolerate it.")),
  },
);

function amount(description: string) {
  return struct(description, {
    cpus: int32("Logical CPUs."),
    memoryBytes: int64("Memory, bytes."),
    memory: optional(string("The same for people, for example `15.3Gi`.")),
  });
}

function taken(description: string) {
  return struct(description, {
    machines: int32("How many run."),
    cpus: int32("Virtual CPUs of those that run."),
    memoryBytes: int64("Memory of those that run, bytes."),
    memory: optional(string("The same for people.")),
  });
}

const can = (description: string) => optional(boolean(description));

const status = struct("What was found there.", {
  hostname: optional(string("Its own name.")),
  uuid: optional(string("Id that the hypervisor gives it.")),
  endpoint: optional(string("Where it is reached.")),
  zone: optional(string("Where it stands: its label `topology.kubernetes.io/zone`.")),
  architecture: optional(string("Its processor's architecture, for example `x86_64`.")),
  cpuModel: optional(string("Its processor, as the hypervisor calls it.")),
  versions: optional(
    struct("What runs there.", {
      hypervisor: optional(string("What runs the machines, for example `QEMU 7.2.22`.")),
      manager: optional(string("What is asked, for example `libvirt 9.0.0`.")),
      kernel: optional(string("Its kernel, where that can be learned.")),
    }),
  ),
  acceleration: optional(
    struct("Whether guests run under hardware virtualization.", {
      kind: choice("`kvm` is hardware, `tcg` is emulation.", ["kvm", "tcg"]),
      reason: string("How that is known, for people."),
    }),
  ),
  capacity: optional(amount("All of it.")),
  allocatable: optional(amount("What machines may take: the capacity without the reserve, times the over-commitment.")),
  allocated: optional(taken("What VirtualMachines take.")),
  allocatedByOthers: optional(taken("What domains take that are no VirtualMachines here.")),
  freeMemoryBytes: optional(
    int64("Memory that is free right now, bytes. Brought up to date when it moved by a twentieth of the capacity."),
  ),
  storage: optional(
    struct("The storage pool for disks of machines.", {
      totalBytes: int64("Size, bytes."),
      availableBytes: int64("Free, bytes; brought up to date like `freeMemoryBytes`."),
    }),
  ),
  capabilities: optional(
    struct("What it can do today.", {
      uefi: can("UEFI firmware."),
      secureBoot: can("UEFI secure boot."),
      tpm: can("Emulated TPMs."),
      nestedVirtualization: can("Guests can run virtual machines themselves."),
      linkedClones: can("Disks that share the image's blocks."),
      imageImport: can("Images can be sent there."),
      serialConsole: can("Serial consoles."),
      hotplug: can("Disks of running machines can be changed."),
      storagePools: can("Storage pools and volumes."),
      diskFormats: optional(list("Formats of disks.", string("One format."))),
      networkModels: optional(list("Models of network interfaces.", string("One model."))),
    }),
  ),
  lastSeen: optional(
    dateTime("When it last answered; brought up to date every ten minutes, and with any other change."),
  ),
  ...observed("`Ready`: whether it answers, since when, and why not."),
});

export type HostSpec = Static<typeof spec>;
export type HostStatus = Static<typeof status>;
export type Host = Resource<HostSpec, HostStatus>;

/** The label that says in which zone a host stands; Kubernetes' own. */
export const zoneLabel = "topology.kubernetes.io/zone";
/** The label that says in which region a host stands; Kubernetes' own. */
export const regionLabel = "topology.kubernetes.io/region";
/** The cluster that a host belongs to; that of its Provider's name when absent. */
export const clusterLabel = "topology.vivarium.dev/cluster";
/** The datastore that a host keeps disks in, where several share one; its own storage pool when absent. */
export const datastoreLabel = "topology.vivarium.dev/datastore";

export const Host: KindDefinition<Host> = defineKind({
  ...vivarium,
  kind: "Host",
  plural: "hosts",
  shortNames: ["hv"],
  description: "A machine that runs virtual machines, as a Provider found it.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: "Provider", type: "string", jsonPath: ".spec.providerRef.name" },
    { name: "CPUs", type: "integer", jsonPath: ".status.capacity.cpus" },
    { name: "Memory", type: "string", jsonPath: ".status.capacity.memory" },
    { name: "VMs", type: "integer", jsonPath: ".status.allocated.machines" },
    { name: "Others", type: "integer", jsonPath: ".status.allocatedByOthers.machines" },
    { name: "Zone", type: "string", jsonPath: ".status.zone" },
    ageColumn,
    { name: "Unschedulable", type: "boolean", jsonPath: ".spec.unschedulable", priority: 1 },
    { name: "Acceleration", type: "string", jsonPath: ".status.acceleration.kind", priority: 1 },
    { name: "CPU", type: "string", jsonPath: ".status.cpuModel", priority: 1 },
    { name: "Hypervisor", type: "string", jsonPath: ".status.versions.hypervisor", priority: 1 },
    { name: "Allocatable", type: "string", jsonPath: ".status.allocatable.memory", priority: 1 },
    { name: "Allocated", type: "string", jsonPath: ".status.allocated.memory", priority: 1 },
    { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
});
