// VirtualMachine: one machine, its declared shape and power state, and what was seen of it on the hypervisor.

import type { Static } from "typebox";
import { entryName, ipv4Pattern, localRef, macPattern, objectRef, observed, whatGoesOn } from "./common-fields.ts";
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
import { ageColumn, defineKind, infra, phaseColumn } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { tolerations } from "./taints.ts";
import { userData } from "./user-data.ts";
import { vmRoleRef } from "./vm-role-ref.ts";

const diskTypes = ["thin", "thick", "eagerzeroedthick", "ssd", "hdd"] as const;

const disk = struct("One disk.", {
  name: entryName("Name of the disk within this machine; the disk of this name in the image is the root disk."),
  sizeGiB: optional(
    int32("Size in GiB. A disk can grow, never shrink. Needed unless `volumeRef` is there.", {
      minimum: 1,
      maximum: 65536,
    }),
  ),
  volumeRef: optional(
    localRef(
      "A Volume to attach, instead of a disk of the machine's own. It outlives the machine and keeps its size itself.",
    ),
  ),
  bus: optional(
    choice("How the guest sees it: `virtio` as vdb, vdc, …; `scsi` as sdb, sdc, … on a virtio-scsi controller.", [
      "virtio",
      "scsi",
    ]),
  ),
  cache: optional(
    choice("How the host caches it. `writeback` when absent; `unsafe` loses data with the host.", [
      "none",
      "writeback",
      "writethrough",
      "directsync",
      "unsafe",
    ]),
  ),
  discard: optional(
    choice("Whether space that the guest frees is given back to the pool. `unmap` when absent.", ["unmap", "ignore"]),
  ),
  serial: optional(
    string(
      "Serial number that the guest sees, as in /dev/disk/by-id/virtio-SERIAL; from the disk's name when absent.",
      {
        pattern: "^[A-Za-z0-9_.+-]{1,20}$",
      },
    ),
  ),
  readOnly: optional(boolean("Whether the guest may only read it.")),
  limits: optional(
    struct(
      "Most work per second, changed while the machine runs. Without a limit where absent; `total…` excludes the two of its kind.",
      {
        totalIops: optional(int64("Reads and writes together.", { minimum: 1 })),
        readIops: optional(int64("Reads.", { minimum: 1 })),
        writeIops: optional(int64("Writes.", { minimum: 1 })),
        totalBytes: optional(quantity("Bytes read and written together.")),
        readBytes: optional(quantity("Bytes read.")),
        writeBytes: optional(quantity("Bytes written.")),
      },
    ),
  ),
  type: optional(
    choice("How space is set aside: `thin` as it is written, `thick` at once.", diskTypes, { default: "thin" }),
  ),
  expandPolicy: optional(
    choice("Whether to grow the disk of a running machine.", ["Online", "Offline"], { default: "Offline" }),
  ),
  storageClass: optional(string("Kind of storage, by a name the provider knows.")),
  scsi: optional(
    struct("SCSI controller of the disk (vSphere).", {
      controller: optional(int32("Number of the controller.", { minimum: 0, maximum: 3 })),
      controllerType: optional(
        choice("Model of the controller.", ["lsilogic", "buslogic", "lsilogic-sas", "pvscsi"], { default: "pvscsi" }),
      ),
      sharedBus: optional(
        choice("Whether other machines share the bus.", ["noSharing", "virtualSharing", "physicalSharing"], {
          default: "noSharing",
        }),
      ),
    }),
  ),
});

const bandwidth = struct("Limit in one way.", {
  average: quantity("Bits per second in the long run, such as 100M."),
  peak: optional(quantity("Bits per second for as long as `burst` lasts.")),
  burst: optional(quantity("Bytes that may pass at peak speed.")),
});

const bandwidths = {
  ingress: optional(bandwidth),
  egress: optional(bandwidth),
};

const ipv6Text = "^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$";

export const networkInterface = struct("One network interface.", {
  name: entryName("Name of the interface within this machine."),
  networkRef: optional(objectRef("The VMNetworkAttachment to plug into; the provider's default network when absent.")),
  virtualNetworkRef: optional(
    objectRef(
      "The VirtualNetwork to plug into, without a VMNetworkAttachment between. Not together with `networkRef`.",
    ),
  ),
  ipAddress: optional(
    string("Static IPv4 address, set in the guest by cloud-init. DHCP when absent.", { pattern: ipv4Pattern }),
  ),
  prefix: optional(int32("Prefix length that goes with `ipAddress`.", { minimum: 1, maximum: 32 })),
  gateway: optional(string("Default gateway that goes with `ipAddress`.", { pattern: ipv4Pattern })),
  ipv6Address: optional(
    string("Static IPv6 address, set in the guest by cloud-init, beside or without one of IPv4.", {
      pattern: ipv6Text,
    }),
  ),
  ipv6Prefix: optional(
    int32("Prefix length that goes with `ipv6Address`; 64 when absent.", { minimum: 1, maximum: 128 }),
  ),
  ipv6Gateway: optional(string("Default gateway that goes with `ipv6Address`.", { pattern: ipv6Text })),
  routes: optional(
    list(
      "More routes, besides those of the network.",
      struct("One route.", {
        destination: string("Network that it leads to, with prefix length."),
        gateway: string("Next hop, in a network of this interface."),
        metric: optional(int32("Lower wins.", { minimum: 0, maximum: 65535 })),
      }),
      { maxItems: 20 },
    ),
  ),
  dns: optional(string("Name servers, comma-separated.")),
  macAddress: optional(
    string("MAC address. Chosen when absent, so that no other machine has it, and kept for the machine's life.", {
      pattern: macPattern,
    }),
  ),
  linkState: optional(
    choice("Whether the cable is plugged in, changed while the machine runs. `Up` when absent.", ["Up", "Down"]),
  ),
  limits: optional(
    struct(
      "Most traffic, changed while the machine runs: `ingress` to the machine, `egress` from it. Wins over `spec.qos` of the network.",
      bandwidths,
    ),
  ),
});

const resources = {
  cpu: optional(int32("Virtual CPUs.", { minimum: 1, maximum: 128 })),
  memoryMiB: optional(int64("Memory in MiB.", { minimum: 128, maximum: 1048576 })),
  gpu: optional(
    struct("GPUs to pass through.", {
      count: int32("How many.", { minimum: 1, maximum: 8 }),
      type: optional(string("Which, by a name the provider knows.", { pattern: "^[a-zA-Z0-9_-]+$" })),
      memory: optional(int64("Memory of each in MiB.", { minimum: 512 })),
    }),
  ),
};

function hook(description: string) {
  return struct(description, {
    exec: optional(
      struct("Run a command in the guest.", {
        command: list("The command and its arguments.", string("One word."), { minItems: 1 }),
      }),
    ),
    httpGet: optional(
      struct("Send an HTTP request.", {
        path: optional(string("Path of the request.")),
        port: int32("Port to connect to.", { minimum: 1, maximum: 65535 }),
        host: optional(string("Host to connect to; the machine's address when absent.")),
        scheme: optional(choice("HTTP or HTTPS.", ["HTTP", "HTTPS"], { default: "HTTP" })),
      }),
    ),
    snapshot: optional(
      struct("Take a snapshot.", {
        name: string("Name of the snapshot."),
        description: optional(string("What it is for.")),
        includeMemory: optional(boolean("Whether memory belongs to it.")),
      }),
    ),
  });
}

const powerStates = ["On", "Off", "OffGraceful", "Paused", "Suspended"] as const;

const spec = struct("What the machine shall be.", {
  providerRef: optional(
    objectRef("The Provider to run on. May be absent where there is only one Provider in the namespace."),
  ),
  classRef: optional(
    objectRef("The VMClass that gives size and firmware. May be absent when `resources` gives the size."),
  ),
  imageRef: optional(
    objectRef("The VMImage that the root disk is cloned from. Either this, `roleRef` or `importedDisk`."),
  ),
  roleRef: optional(
    vmRoleRef(
      "The VMRole of the machine: its root disk is cloned from the role's image, which is built where it is missing.",
    ),
  ),
  onMissingRoleImage: optional(
    choice(
      "What to do where the role's image is not there: `Build` it and wait; `Provision` the guest from the role's parent at its first boot; or `Fail`. `Build` when absent.",
      ["Build", "Provision", "Fail"],
    ),
  ),
  adopt: optional(
    struct(
      "A domain that is on the hypervisor already: the machine is that domain, which is watched and powered, and never defined anew. What else the spec says of size, disks and interfaces describes it.",
      {
        uuid: string("UUID of the domain. It stays for as long as the machine exists.", {
          pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        }),
        deletionPolicy: optional(
          choice(
            "What becomes of the domain when this object is deleted: `Release` leaves domain and disks as they are; `Delete` destroys both. `Release` when absent.",
            ["Release", "Delete"],
          ),
        ),
      },
    ),
  ),
  importedDisk: optional(
    struct("A disk that already lies on the provider, used as the root disk.", {
      diskID: string("Id of the disk on the provider; for libvirt the name of the volume.", {
        minLength: 1,
        maxLength: 253,
      }),
      path: optional(string("Path of the disk; found by its id when absent.")),
      format: optional(choice("Format of the disk.", ["qcow2", "vmdk", "raw", "vdi", "vhdx"], { default: "qcow2" })),
      sizeGiB: optional(int32("Size that the disk is expected to have, in GiB.", { minimum: 1 })),
      source: optional(choice("Where the disk came from.", ["migration", "clone", "import", "snapshot", "manual"])),
      migrationRef: optional(localRef("The VMMigration that brought the disk.")),
      cloneRef: optional(
        objectRef(
          "With `source` clone: the VMClone that makes this machine's disks, of which `diskID` is the uid. A machine whose disks it has not made is not made.",
        ),
      ),
    }),
  ),
  networks: optional(
    listByKey(
      "Network interfaces, in the guest's order. One on the default network when absent.",
      "name",
      networkInterface,
      {
        maxItems: 10,
      },
    ),
  ),
  disks: optional(listByKey("Disks besides the root disk.", "name", disk, { maxItems: 20 })),
  userData: optional(userData("First-boot configuration of the guest.")),
  metaData: optional(
    struct("Instance metadata for the guest.", {
      cloudInit: optional(
        struct("cloud-init meta-data.", {
          inline: optional(string("The YAML itself.")),
          secretRef: optional(
            localRef("A Secret that holds the YAML under `meta-data` or `metadata`, or as its only key."),
          ),
        }),
      ),
    }),
  ),
  powerState: optional(
    choice(
      "Whether the machine shall run. `OffGraceful` shuts the guest down and pulls the plug after the time-out; `Off` pulls it at once. `Paused` halts the guest's CPUs and keeps its memory; `Suspended` saves its memory to disk and frees the host's: it goes on from there when it is `On` again. On when absent.",
      powerStates,
    ),
  ),
  startOnBoot: optional(
    boolean(
      "Whether the hypervisor starts the machine by itself when its host starts, also without the server. Only while it shall be on.",
    ),
  ),
  deletionProtection: optional(
    boolean("Whether to refuse every DELETE of this machine, until this is false again. False when absent."),
  ),
  tags: optional(list("Tags, for people.", string("One tag."), { maxItems: 50 })),
  resources: optional(struct("Size of the machine, where it differs from the class.", resources)),
  placement: optional(
    struct("Where to put the machine, by names the provider knows.", {
      cluster: optional(string("Cluster.")),
      datastore: optional(string("Datastore or storage pool; wins over `storagePod`.")),
      folder: optional(string("Folder.")),
      host: optional(string("Host; for a Provider with several hosts the name of one of them.")),
      hostSelector: optional(stringMap("Labels that the host must have, of a Provider with several hosts.")),
      resourcePool: optional(string("Resource pool.")),
      storagePod: optional(string("Datastore cluster (vSphere).")),
      tolerations: optional(tolerations("Taints of hosts that the machine tolerates.")),
    }),
  ),
  placementRef: optional(localRef("The VMPlacementPolicy to follow.")),
  snapshot: optional(
    struct("Snapshot operations.", { revertToRef: optional(localRef("The VMSnapshot to go back to.")) }),
  ),
  lifecycle: optional(
    struct("What happens around starting and stopping.", {
      gracefulShutdownTimeout: optional(
        duration("How long the guest may take to shut down before the plug is pulled.", { default: "60s" }),
      ),
      reconfigurePolicy: optional(
        choice(
          "What follows when a change needs the machine to be off: `Manual` waits until somebody restarts it; `Graceful` shuts the guest down and starts it again, and waits like `Manual` when it does not follow within `gracefulShutdownTimeout`; `Force` then pulls the plug. `Manual` when absent.",
          ["Manual", "Graceful", "Force"],
        ),
      ),
      crashPolicy: optional(
        choice(
          "What follows when the guest's kernel panics: `Restart` at once, `Preserve` it for a look, or `Destroy` (it goes off, and is started again as after any crash). Nobody notices a panic when absent.",
          ["Restart", "Preserve", "Destroy"],
        ),
      ),
      preStop: optional(hook("Done before the machine is stopped.")),
      postStart: optional(hook("Done after the machine was started.")),
    }),
  ),
});

/** For kinds that make machines. */
export { disk as virtualMachineDisk, spec as virtualMachineSpec };

const status = struct("What was seen of the machine.", {
  id: optional(string("Id on the hypervisor; for libvirt the UUID of the domain.")),
  domain: optional(string("Name on the hypervisor.")),
  host: optional(
    string("Name of the Host that it is on. Written before anything is made there; it never changes by itself."),
  ),
  moving: optional(
    struct(
      "The move to another host that is going on. Meanwhile the machine is that migration's, and nobody else starts, stops or changes it.",
      {
        migration: string("Name of the VMMigration."),
        uid: string("Its uid."),
        from: string("Host that the machine comes from."),
        to: string("Host that it goes to."),
        mode: choice("Whether it runs meanwhile.", ["Live", "Offline"]),
        storage: choice("Whether its disks stay where they are or are copied.", ["Shared", "Copied"]),
        since: dateTime("When it began."),
      },
    ),
  ),
  powerState: optional(choice("Whether it runs.", powerStates)),
  phase: optional(
    choice("Where the machine is in its life.", [
      "Pending",
      "Provisioning",
      "Running",
      "Paused",
      "Suspended",
      "Stopped",
      "Reconfiguring",
      "Deleting",
      "Failed",
    ]),
  ),
  message: optional(whatGoesOn()),
  ips: optional(list("IP addresses, the most useful first.", string("One address."))),
  addresses: optional(
    list(
      "IP addresses and how they are known.",
      struct("One address.", {
        ip: string("The address."),
        mac: optional(string("MAC address of the interface that has it.")),
        source: choice("Who reported it: the DHCP server, the guest agent, or the host's ARP table.", [
          "lease",
          "agent",
          "arp",
        ]),
      }),
    ),
  ),
  startedAt: optional(dateTime("When it was last started.")),
  lastStop: optional(
    struct("The last time it went off.", {
      time: dateTime("When that was seen."),
      method: choice(
        "How: shut down as asked (Graceful), plug pulled by us (Forced), memory saved to disk as asked (Suspended), cut short by us since it showed no sign of life, to be started again (BootRetry), from inside (Guest), by somebody else on the host (External), or by a crash (Crashed).",
        ["Graceful", "Forced", "Suspended", "BootRetry", "Guest", "External", "Crashed"],
      ),
      message: optional(string("What happened, for people.")),
    }),
  ),
  shutdownRequestedAt: optional(dateTime("When the guest was asked to shut down; absent unless that is going on.")),
  lastRestartRequest: optional(string("Value of the restart annotation that was last carried out.")),
  lastRebootRequest: optional(string("Value of the reboot annotation that was last carried out: the guest was asked.")),
  lastResetRequest: optional(string("Value of the reset annotation that was last carried out.")),
  lastDiscardMemoryRequest: optional(string("Value of the discard-memory annotation that was last carried out.")),
  failures: optional(int32("Failed attempts in a row at the present step.", { minimum: 0 })),
  nextAttemptTime: optional(dateTime("When the next attempt is made.")),
  consoleURL: optional(string("Address of the console.")),
  lastTaskRef: optional(string("The provider's last task.")),
  reconfigureTaskRef: optional(string("The provider's task that changes the machine.")),
  lastReconfigureTime: optional(dateTime("When the machine was last changed.")),
  // A machine that was adopted has the size that it has.
  currentResources: optional(
    struct("Size that the machine has now.", {
      ...resources,
      cpu: optional(int32("Virtual CPUs.")),
      memoryMiB: optional(int64("Memory in MiB.")),
    }),
  ),
  snapshots: optional(
    list(
      "Snapshots to go back to, oldest first.",
      struct("One snapshot.", {
        id: string("Its name on the hypervisor."),
        name: string("Name of the VMSnapshot."),
        creationTime: dateTime("When it was taken."),
        description: optional(string("What it is for.")),
        sizeBytes: optional(int64("Space it takes, bytes.")),
        hasMemory: optional(boolean("Whether memory belongs to it.")),
      }),
    ),
  ),
  disks: optional(
    list(
      "Disks that the machine has now, in the guest's order.",
      struct("One disk.", {
        name: string("Name of the disk, as in the spec."),
        target: string("Name that the guest is likely to give it, such as vdb."),
        volume: optional(string("Name of the Volume, where it is one.")),
        state: choice("Whether the guest has it. `Detaching`: the guest was asked to let go of it and has not.", [
          "Attached",
          "Detaching",
        ]),
      }),
    ),
  ),
  networks: optional(
    list(
      "Network interfaces: those that the machine has, and those that it shall have and has not.",
      struct("One interface.", {
        name: string("Name of the interface, as in the spec."),
        mac: string("Its MAC address."),
        state: choice(
          "Whether the guest has it. `Detaching`: the guest was asked to let go of it and has not. `Missing`: not plugged in.",
          ["Attached", "Detaching", "Missing"],
        ),
        link: optional(choice("Whether the cable is plugged in.", ["Up", "Down"])),
        source: optional(string("What it is plugged into: `network/NAME` or `bridge/NAME` on the hypervisor.")),
        device: optional(string("The host's end of it, while the machine runs.")),
        ips: optional(list("Addresses that are known of it.", string("One address."))),
        limits: optional(
          struct("Limits that hold, in kB (1000 bytes) per second.", {
            ingressKBPerSecond: optional(int64("To the machine, on average.")),
            egressKBPerSecond: optional(int64("From the machine, on average.")),
          }),
        ),
        isolated: optional(boolean("Whether it is kept from other isolated interfaces of its network.")),
        filtered: optional(boolean("Whether rules hold for its traffic.")),
        message: optional(string("What differs from the spec, and why.")),
      }),
    ),
  ),
  provider: optional(opaque("What only this provider knows.")),
  ...observed(
    "`Ready`, `Provisioning`, `Reconfiguring`, `ReconfigurePendingPowerCycle`, `DisksAttached`, `NetworksAttached`: what holds, why, and what happens next.",
  ),
});

export type VirtualMachineSpec = Static<typeof spec>;
export type VirtualMachineStatus = Static<typeof status>;
export type VirtualMachine = Resource<VirtualMachineSpec, VirtualMachineStatus>;

export const VirtualMachine: KindDefinition<VirtualMachine> = defineKind({
  ...infra,
  kind: "VirtualMachine",
  plural: "virtualmachines",
  shortNames: ["vm"],
  categories: ["all"],
  description: "A virtual machine: what it shall be, and what was seen of it on the hypervisor.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    phaseColumn,
    { name: "Provider", type: "string", jsonPath: ".spec.providerRef.name" },
    { name: "Class", type: "string", jsonPath: ".spec.classRef.name" },
    { name: "Image", type: "string", jsonPath: ".spec.imageRef.name" },
    { name: "IPs", type: "string", jsonPath: ".status.ips[*]" },
    ageColumn,
    { name: "Power", type: "string", jsonPath: ".status.powerState", priority: 1 },
    { name: "Domain", type: "string", jsonPath: ".status.domain", priority: 1 },
    { name: "Host", type: "string", jsonPath: ".status.host", priority: 1 },
    { name: "Reason", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].reason', priority: 1 },
    { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
});
