// Provider: a hypervisor and how to reach it, and what it can do.

import type { Static } from "typebox";
import { entryName, objectRef, observed } from "./common-fields.ts";
import {
  anyOf,
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
import { ageColumn, defineKind, infra } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const endpointPattern =
  "^((https?://[a-zA-Z0-9.-]+(:[0-9]+)?(/.*)?|(tcp|grpc)://[a-zA-Z0-9.-]+:[0-9]+(/.*)?)" +
  "|qemu(\\+unix|\\+ssh|\\+tcp|\\+tls)?://([a-zA-Z0-9@._-]+(:[0-9]+)?)?(/.*)|sim://.*)$";

const remoteRuntime = struct(
  "How a provider outside of the server is run. Providers run inside the server: this is kept, not used.",
  {
    mode: optional(choice("How.", ["Remote"], { default: "Remote" })),
    image: optional(
      string("Container image.", {
        pattern: "^[a-zA-Z0-9._/-]+(:[a-zA-Z0-9._-]+)?(@[a-zA-Z0-9]+:[a-fA-F0-9]{64})?$",
      }),
    ),
    imagePullPolicy: optional(
      choice("When to pull it.", ["Always", "Never", "IfNotPresent"], { default: "IfNotPresent" }),
    ),
    imagePullSecrets: optional(
      list("Secrets to pull it with.", struct("One Secret.", { name: optional(string("Its name.")) }), {
        maxItems: 10,
      }),
    ),
    replicas: optional(int32("How many.", { minimum: 1, maximum: 10, default: 1 })),
    service: optional(
      struct("How it is reached.", {
        port: optional(int32("Port.", { minimum: 1024, maximum: 65535, default: 9443 })),
        tls: optional(
          struct("TLS.", {
            enabled: optional(boolean("Whether it is used.", { default: true })),
            secretRef: optional(struct("The Secret with the certificate.", { name: optional(string("Its name.")) })),
            insecureSkipVerify: optional(boolean("Whether to trust any certificate.", { default: false })),
          }),
        ),
      }),
    ),
    resources: optional(opaque("core/v1 ResourceRequirements.")),
    nodeSelector: optional(stringMap("Labels of the nodes it may run on.")),
    tolerations: optional(list("core/v1 Tolerations.", opaque("One toleration."), { maxItems: 20 })),
    affinity: optional(opaque("core/v1 Affinity.")),
    securityContext: optional(opaque("core/v1 SecurityContext.")),
    env: optional(list("core/v1 environment variables.", opaque("One variable."), { maxItems: 50 })),
    livenessProbe: optional(opaque("core/v1 Probe.")),
    readinessProbe: optional(opaque("core/v1 Probe.")),
    logLevel: optional(choice("How much it logs.", ["debug", "info", "warn", "error"], { default: "info" })),
    logFormat: optional(choice("How it logs.", ["text", "json"], { default: "json" })),
  },
);

function defaultName(description: string) {
  return optional(string(description, { maxLength: 255 }));
}

/** How much of a host machines may take. */
function hostPolicy(description: string) {
  return optional(
    struct(description, {
      reservedCpus: optional(int32("CPUs that are kept for the host itself; none when absent.", { minimum: 0 })),
      reservedMemory: optional(quantity("Memory that is kept for the host itself; none when absent.")),
      cpuOvercommitPercent: optional(
        int32("Virtual CPUs that may be promised, in percent of those that are left; 400 when absent.", {
          minimum: 1,
          maximum: 10000,
        }),
      ),
      memoryOvercommitPercent: optional(
        int32("Memory that may be promised, in percent of what is left; 100 when absent.", {
          minimum: 1,
          maximum: 1000,
        }),
      ),
    }),
  );
}

const spec = struct("A hypervisor and how to reach it.", {
  type: choice("Which kind of hypervisor.", ["vsphere", "libvirt", "firecracker", "qemu", "proxmox", "sim"]),
  endpoint: optional(
    string(
      "Where it is: for libvirt a connection URI such as `qemu:///system`. Either this or `hosts`; with it the Provider has one host, of the Provider's name.",
      { pattern: endpointPattern },
    ),
  ),
  hosts: optional(
    listByKey(
      "Several hosts, each with a connection and a health of its own. A machine lands on one of them and stays there. Storage pools, volumes and networks lie on the first. To grow a Provider with an `endpoint`, give its host the Provider's name.",
      "name",
      struct("One host.", {
        name: entryName("Its name, also that of its Host object; unique in the namespace."),
        endpoint: string("Where it is: for libvirt a connection URI such as `qemu+tls://kvm1/system`.", {
          pattern: endpointPattern,
        }),
        credentialSecretRef: optional(objectRef("The Secret to log in with; that of the Provider when absent.")),
        migrationAddress: optional(
          string(
            "Name or address at which other hosts reach it to send a machine there. That of `endpoint` when absent, and of a local one its address on the way to the other host.",
            { maxLength: 253, pattern: "^[A-Za-z0-9._:-]+$" },
          ),
        ),
        labels: optional(stringMap("Put on its Host object, for example `topology.kubernetes.io/zone`.")),
        policy: hostPolicy("How much of it machines may take, where it differs from `hostPolicy`."),
      }),
      { maxItems: 200 },
    ),
  ),
  credentialSecretRef: optional(objectRef("The Secret to log in with; a local libvirt needs none.")),
  insecureSkipVerify: optional(boolean("Whether to trust any certificate.", { default: false })),
  allowDomainOverlay: optional(
    boolean(
      "Whether classes may add pieces of domain XML to machines on this provider (libvirt: `libvirt.domain-overlay` in a VMClass's extraConfig). False when absent.",
    ),
  ),
  defaults: optional(
    struct("What machines do not say themselves.", {
      datastore: defaultName("Datastore; for libvirt the storage pool, `vivarium` when absent."),
      storagePod: defaultName("Datastore cluster (vSphere)."),
      cluster: defaultName("Cluster."),
      folder: defaultName("Folder."),
      resourcePool: defaultName("Resource pool."),
      network: defaultName("Network, `default` when absent."),
    }),
  ),
  hostPolicy: hostPolicy("How much of its hosts machines may take."),
  imageCollection: optional(
    struct("When images that no VMImage means any more leave the hosts by themselves; never when absent.", {
      unusedFor: duration("How long such an image must have been seen unused; at least `10m`."),
    }),
  ),
  rateLimit: optional(
    struct("Limit of calls.", {
      qps: optional(int32("Calls per second.", { minimum: 1, maximum: 1000, default: 10 })),
      burst: optional(int32("Calls at once.", { minimum: 1, maximum: 2000, default: 20 })),
    }),
  ),
  healthCheck: optional(
    struct("How its health is watched.", {
      enabled: optional(boolean("Whether it is watched.", { default: true })),
      interval: optional(duration("How often to ask.", { default: "30s" })),
      timeout: optional(duration("How long to wait for the answer.", { default: "10s" })),
      failureThreshold: optional(
        int32("Failures in a row that make it unhealthy.", { minimum: 1, maximum: 10, default: 3 }),
      ),
      successThreshold: optional(
        int32("Successes in a row that make it healthy.", { minimum: 1, maximum: 10, default: 1 }),
      ),
    }),
  ),
  connectionPooling: optional(
    struct("Connections to it.", {
      maxConnections: optional(int32("Most connections.", { minimum: 1, maximum: 100, default: 10 })),
      maxIdleConnections: optional(int32("Most connections kept idle.", { minimum: 1, default: 5 })),
      connectionTimeout: optional(duration("How long connecting may take.", { default: "30s" })),
      idleTimeout: optional(duration("How long an idle connection is kept.", { default: "5m" })),
    }),
  ),
  runtime: optional(remoteRuntime),
});

function usage(description: string) {
  return optional(
    struct(description, {
      total: optional(int64("In all.")),
      available: optional(int64("Free.")),
      used: optional(int64("In use.")),
      usagePercent: optional(int32("Part in use, percent.")),
    }),
  );
}

const can = (description: string) => optional(boolean(description));
const names = (description: string) => optional(list(description, string("One name.")));

const status = struct("What was found there.", {
  healthy: optional(boolean("Whether it answers.")),
  lastHealthCheck: optional(dateTime("When it was last asked.")),
  connectedVMs: optional(int32("How many VirtualMachines run on it.")),
  version: optional(string("What it says it is.")),
  acceleration: optional(
    struct("Whether guests run under hardware virtualization.", {
      kind: choice("`kvm` is hardware, `tcg` is emulation.", ["kvm", "tcg"]),
      reason: string("How that is known, for people."),
    }),
  ),
  host: optional(
    struct("The host it runs on.", {
      hostname: string("Its name."),
      architecture: string("Its processor, for example `x86_64`."),
      cpus: int32("Its logical CPUs."),
      memoryBytes: int64("Its memory, bytes."),
      freeMemoryBytes: int64("Its free memory, bytes."),
    }),
  ),
  capabilities: optional(
    anyOf<string[] | Record<string, unknown>>(
      "What it can do, in words: `VirtualMachines`, `ConsoleAccess`, … Also accepted with the fields of `reportedCapabilities`.",
    ),
  ),
  reportedCapabilities: optional(
    struct("What it can do today.", {
      supportsReconfigureOnline: can("CPUs and memory of a running machine can change."),
      supportsDiskExpansionOnline: can("Disks of a running machine can grow."),
      supportsSnapshots: can("Snapshots."),
      supportsMemorySnapshots: can("Snapshots with memory."),
      supportsLinkedClones: can("Clones that share the image's blocks."),
      supportsImageImport: can("Images can be sent to it."),
      supportsDiskExport: can("Disks can be taken out."),
      supportsDiskImport: can("Disks can be brought in."),
      supportsExportCompression: can("Exports can be compressed."),
      supportsSerialConsole: can("Serial consoles."),
      supportsUEFI: can("UEFI firmware."),
      supportsSecureBoot: can("UEFI secure boot."),
      supportsTPM: can("Emulated TPMs."),
      supportsNestedVirtualization: can("Guests can run virtual machines themselves."),
      supportedDiskTypes: names("Kinds of disks."),
      supportedNetworkTypes: names("Kinds of networks and interfaces."),
      supportedExportFormats: names("Formats of exports."),
      supportedImportFormats: names("Formats of imports."),
      supportedExportBackends: names("Where exports can go."),
      supportedImportBackends: names("Where imports can come from."),
      supportedTransferModes: names("How disks can be moved."),
    }),
  ),
  resourceUsage: optional(
    struct("How full it is.", {
      cpu: usage("CPUs."),
      memory: usage("Memory, bytes."),
      storage: usage("Storage, bytes."),
      network: optional(
        struct("Network traffic.", {
          bytesReceived: optional(int64("Bytes received.")),
          bytesSent: optional(int64("Bytes sent.")),
          packetsReceived: optional(int64("Packets received.")),
          packetsSent: optional(int64("Packets sent.")),
        }),
      ),
    }),
  ),
  runtime: optional(
    struct("The provider outside of the server.", {
      mode: optional(choice("How it is run.", ["Remote"])),
      endpoint: optional(string("Where it is.")),
      serviceRef: optional(struct("Its Service.", { name: optional(string("Its name.")) })),
      phase: optional(choice("Where it is in its life.", ["Pending", "Starting", "Running", "Stopping", "Failed"])),
      message: optional(string("What is going on.")),
      readyReplicas: optional(int32("Replicas that are ready.")),
      availableReplicas: optional(int32("Replicas that are available.")),
    }),
  ),
  adoption: optional(
    struct("Machines found there that were not made here.", {
      discoveredVMs: optional(int32("Found.")),
      adoptedVMs: optional(int32("Taken over.")),
      failedAdoptions: optional(int32("Not taken over because of an error.")),
      lastDiscoveryTime: optional(dateTime("When they were last looked for.")),
      message: optional(string("What is going on.")),
      mode: optional(choice("What was asked for.", ["Adopt", "DryRun"])),
      request: optional(string("The annotations that were carried out last, as one text.")),
      candidates: optional(
        list(
          "Domains that the filter lets through, of which 500 at most are listed.",
          struct("One domain.", {
            domain: string("Its name."),
            uuid: string("Its UUID."),
            host: optional(string("The host that has it.")),
            verdict: choice(
              "`Adoptable`: it becomes a VirtualMachine. `Adopted`: it is one. `Refused`: it cannot become one.",
              ["Adoptable", "Adopted", "Refused"],
            ),
            virtualMachine: optional(string("Name of its VirtualMachine.")),
            reason: optional(string("Why it is refused, for people.")),
            powerState: optional(string("Whether it runs.")),
            cpu: optional(int32("Virtual CPUs.")),
            memoryMiB: optional(int64("Memory in MiB.")),
            disks: optional(int32("Its disks.")),
            nics: optional(int32("Its interfaces.")),
          }),
        ),
      ),
    }),
  ),
  imageCollection: optional(
    struct("Images there that no VMImage means.", {
      request: optional(string("The annotations that were carried out last, as one text.")),
      mode: optional(choice("What was asked for.", ["Collect", "DryRun"])),
      lastTime: optional(dateTime("When they were last looked for.")),
      message: optional(string("What came of it, for people.")),
      unusedSize: optional(quantity("What they take in all and nothing needs.")),
      images: optional(
        list(
          "Those images, of which 500 at most are listed.",
          struct("One image.", {
            id: string("Its id there."),
            host: optional(string("The host that has it, where there are several.")),
            size: quantity("What it takes."),
            verdict: choice(
              "`Unused`: it is removed when that is asked for. `InUse`: something backs onto it. `Removed`: it is gone. `Kept`: it could not be removed.",
              ["Unused", "InUse", "Removed", "Kept"],
            ),
            usedBy: optional(list("What backs onto it.", string("Name of a domain or volume."))),
            reason: optional(string("Why it could not be removed.")),
            unusedSince: optional(dateTime("When it was first seen unused.")),
          }),
        ),
      ),
    }),
  ),
  ...observed("`Ready` and `ProviderAvailable`: whether it answers, and why not."),
});

export type ProviderSpec = Static<typeof spec>;
export type ProviderStatus = Static<typeof status>;
export type Provider = Resource<ProviderSpec, ProviderStatus>;

export const Provider: KindDefinition<Provider> = defineKind({
  ...infra,
  kind: "Provider",
  plural: "providers",
  shortNames: ["prov"],
  description: "A hypervisor that virtual machines run on.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Type", type: "string", jsonPath: ".spec.type" },
    { name: "Endpoint", type: "string", jsonPath: ".spec.endpoint" },
    { name: "Healthy", type: "boolean", jsonPath: ".status.healthy" },
    { name: "Connected VMs", type: "integer", jsonPath: ".status.connectedVMs" },
    ageColumn,
    { name: "Acceleration", type: "string", jsonPath: ".status.acceleration.kind", priority: 1 },
    { name: "Version", type: "string", jsonPath: ".status.version", priority: 1 },
  ],
});
