// What the controllers ask of a hypervisor. A provider is one connection to one hypervisor, made of small roles;
// a role that it cannot play is absent. All methods throw ProviderError; "could not look" (Unavailable) is never "absent".

import type { NicDefinition, NicObservation, NicRole } from "./nics.ts";
import type { AdoptionRole } from "./adoption.ts";
import type { GuestRole } from "./guest.ts";
import type { CloneRole } from "./clones.ts";
import type { HostRole } from "./host.ts";
import type { ImageBackupRole } from "./image-backups.ts";
import type { LayerRole } from "./layers.ts";
import type { MigrationRole } from "./migration.ts";
import type { NetworkRole } from "./network.ts";
import type { ProviderError } from "./provider-error.ts";
import type { StatsRole } from "./stats.ts";
import type { RunStateRole } from "./run-state.ts";
import type { SnapshotRole } from "./snapshots.ts";
import type { ScreenRole } from "./screen.ts";
import type { CpuShape, ResourceLimits, SizingRole } from "./sizing.ts";
import type { HotplugRole, PoolRole, VolumeRef, VolumeRole } from "./storage.ts";

/** Names one VM everywhere. The hypervisor's id is derived from it, so that a repeated create meets its own earlier try. */
export interface VmIdentity {
  /** metadata.uid of the VirtualMachine: a UUID, used as the domain's UUID. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** UUID of the domain that the VM is by adoption; absent where the domain was made for it. */
  readonly adoptedUuid?: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface Provider {
  /** `libvirt`, `sim`, … as in Provider.spec.type. */
  readonly type: string;
  readonly compute: ComputeRole;
  readonly disks: DiskRole;
  readonly images: ImageRole;
  readonly layers?: LayerRole;
  readonly imageBackups?: ImageBackupRole;
  readonly addresses: AddressRole;
  readonly console?: ConsoleRole;
  readonly screen?: ScreenRole;
  readonly pools?: PoolRole;
  readonly volumes?: VolumeRole;
  readonly hotplug?: HotplugRole;
  readonly stats?: StatsRole;
  readonly nics?: NicRole;
  readonly guest?: GuestRole;
  readonly host?: HostRole;
  readonly adoption?: AdoptionRole;
  readonly networks?: NetworkRole;
  readonly runState?: RunStateRole;
  readonly snapshots?: SnapshotRole;
  readonly sizing?: SizingRole;
  readonly migration?: MigrationRole;
  readonly clones?: CloneRole;

  /** Asks the hypervisor who it is. Doubles as the health check. Waits for the connection up to the deadline. */
  describe(options?: CallOptions): Promise<HypervisorInfo>;
  /**
   * Everything that happens to VMs and to the connection, from now on and across reconnects, until the signal aborts.
   * After `connected` the listener must observe again: events of the gap are lost.
   */
  subscribe(listener: (event: ProviderEvent) => void, options: { signal: AbortSignal }): void;
  /** Ends the connection; VMs go on running. */
  close(): Promise<void>;
}

export type ProviderEvent =
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected"; readonly error: ProviderError }
  /** Something about the VM changed: power, agent, devices. The receiver observes to learn what. */
  | { readonly kind: "vm"; readonly uid: string; readonly change: string }
  /** Something about a pool changed: started, stopped, refreshed, gone. */
  | { readonly kind: "pool"; readonly pool: string; readonly change: string }
  /** Something about a network changed: defined, started, stopped, gone. */
  | { readonly kind: "network"; readonly network: string; readonly change: string };

export interface HypervisorInfo {
  readonly hostname: string;
  /** For example `libvirt 9.0.0, QEMU 7.2.22`. */
  readonly version: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly storage: { readonly totalBytes: number; readonly availableBytes: number };
  /** VMs of ours and of others on this hypervisor. */
  readonly vms: number;
  readonly acceleration: Acceleration;
  readonly capabilities: Capabilities;
}

/** Whether guests run under hardware virtualization, and how that is known. */
export interface Acceleration {
  readonly kind: "kvm" | "tcg";
  /** A sentence for people: why this one is used. */
  readonly reason: string;
}

/** What this hypervisor can do today; never what it may do one day. */
export interface Capabilities {
  readonly diskFormats: readonly string[];
  readonly networkModels: readonly string[];
  readonly linkedClones: boolean;
  readonly snapshots: boolean;
  readonly memorySnapshots: boolean;
  readonly imageImport: boolean;
  readonly serialConsole: boolean;
  readonly uefi: boolean;
  readonly secureBoot: boolean;
  readonly tpm: boolean;
  readonly nestedVirtualization: boolean;
}

/** What to build. Everything is resolved: no references, no defaults left to fill. */
export interface VmDefinition {
  readonly identity: VmIdentity;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** What it can be given while it runs, as far as the host has it; as much as it has when absent. */
  readonly maxCpus?: number;
  readonly maxMemoryBytes?: number;
  readonly limits?: ResourceLimits;
  readonly cpu?: CpuShape;
  /** Whether the hypervisor starts it by itself when the host starts. */
  readonly startsOnBoot?: boolean;
  /**
   * What follows when the guest's kernel panics: it begins anew, is kept for a look (`crashed`), or goes off. Absent: nobody notices.
   */
  readonly onCrash?: "restart" | "preserve" | "destroy";
  /** Settings that only this type of provider understands; those it does not know mean nothing to it. */
  readonly extraConfig?: Readonly<Record<string, string>>;
  readonly firmware: "BIOS" | "UEFI";
  readonly secureBoot: boolean;
  readonly tpm: boolean;
  readonly nestedVirtualization: boolean;
  /** In the guest's order; the first is the root disk. */
  readonly disks: readonly DiskDefinition[];
  readonly networks: readonly NicDefinition[];
}

/** Where a disk's bytes are, and how the guest sees it. All of it is for good: another value needs a power cycle. */
export interface DiskSource {
  /** A volume with a life of its own; the VM's own volume of the disk's name when absent. */
  readonly volume?: VolumeRef;
  /** Of the volume; `qcow2` when absent, which all of a VM's own are. */
  readonly format?: "qcow2" | "raw";
  /** `virtio` when absent. */
  readonly bus?: "virtio" | "scsi";
  /** `writeback` when absent. */
  readonly cache?: "none" | "writeback" | "writethrough" | "directsync" | "unsafe";
  /** `unmap` when absent. */
  readonly discard?: "unmap" | "ignore";
  /** Up to 20 characters; none when absent. */
  readonly serial?: string;
  readonly isReadOnly?: boolean;
}

/** What of a disk can be changed while the VM runs. */
export interface DiskTuning {
  readonly limits?: DiskLimits;
}

/** Per second; no limit where absent. */
export interface DiskLimits {
  readonly totalIops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly totalBytes?: number;
  readonly readBytes?: number;
  readonly writeBytes?: number;
}

export interface DiskDefinition extends DiskSource, DiskTuning {
  readonly name: string;
}

/** A disk that a domain has now. */
export interface DiskObservation {
  /** As in the definition; of a disk that somebody else put there, its target. */
  readonly name: string;
  readonly isOurs: boolean;
  /** `vda`, `sdb`, …: what the guest is likely to call it. */
  readonly target: string;
  readonly limits: DiskLimits;
}

/** `paused` by the hypervisor; `suspended` by the guest itself, to its own memory. */
export type PowerState = "running" | "paused" | "shutting-down" | "off" | "crashed" | "suspended";

export type VmObservation =
  /** No domain of this VM; volumes may be left or not yet used. */
  | { readonly kind: "absent"; readonly volumes: readonly string[] }
  /** A domain holds our name but was not made for this VM: never touched. */
  | { readonly kind: "foreign"; readonly domain: string; readonly reason: string }
  /** The domain that the VM is to adopt is there, and is nobody's yet. */
  | { readonly kind: "unbound"; readonly domain: string }
  | {
      readonly kind: "present";
      /** Domain name on the hypervisor. */
      readonly domain: string;
      readonly power: PowerState;
      /** Why it is in that state, as the hypervisor says: `shutdown`, `destroyed`, `crashed`, `failed`, … */
      readonly powerReason: string;
      /** Off, and its memory is kept: the next start goes on from there. */
      readonly hasSavedMemory?: boolean;
      /** While running, what the guest has now. */
      readonly cpus: number;
      readonly memoryBytes: number;
      /** What it can be given while it runs. */
      readonly maxCpus?: number;
      readonly maxMemoryBytes?: number;
      readonly limits?: ResourceLimits;
      /** While running, those that the guest has. */
      readonly nics: readonly NicObservation[];
      /** Without the seed; while running, those that the guest has. */
      readonly disks: readonly DiskObservation[];
      readonly agentConnected: boolean;
      /** Volumes of this VM in the pool: disks, seed, serial log. */
      readonly volumes: readonly string[];
    };

/** Domains. */
export interface ComputeRole {
  /** Looks at the VM and what belongs to it. Never changes anything. */
  observe(vm: VmIdentity, options?: CallOptions): Promise<VmObservation>;
  /**
   * Refuses what this host cannot run (InvalidSpec, Unsupported), before anything is touched. Cheap: no I/O after the first call.
   */
  check(definition: VmDefinition, options?: CallOptions): Promise<void>;
  /** Defines the domain, shut off. Idempotent: an existing domain of this VM is redefined. Needs its disks and seed. */
  define(definition: VmDefinition, options?: CallOptions): Promise<void>;
  /**
   * Powers on, from the saved memory where there is one, with the CPUs halted where `isPaused`. Success when already on, whether paused or
   * not. NotFound when there is no domain.
   */
  start(vm: VmIdentity, options?: CallOptions & { readonly isPaused?: boolean }): Promise<void>;
  /** Asks the guest to shut down (agent where connected, else ACPI) and returns at once; success when already off. */
  requestShutdown(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Pulls the plug; success when already off. */
  forceOff(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Removes the domain with NVRAM and saved state. It must be off. Success when absent; Conflict when foreign. Volumes stay. */
  undefine(vm: VmIdentity, options?: CallOptions): Promise<void>;
}

/** Disks and seeds of VMs. */
export interface DiskRole {
  /**
   * Makes the root disk as a copy-on-write clone of an imported image, grown to `sizeBytes` when larger.
   * Idempotent: an existing disk of this VM is kept as it is.
   */
  ensureRoot(
    vm: VmIdentity,
    disk: { readonly name: string; readonly imageId: string; readonly sizeBytes?: number },
    options?: CallOptions,
  ): Promise<void>;
  /** Makes an empty data disk. Idempotent: an existing disk of this VM is kept as it is. */
  ensureData(
    vm: VmIdentity,
    disk: { readonly name: string; readonly sizeBytes: number; readonly preallocated: boolean },
    options?: CallOptions,
  ): Promise<void>;
  /** Writes the cloud-init seed (an ISO 9660 image), replacing one that is there. Only before the domain runs. */
  writeSeed(vm: VmIdentity, iso: Uint8Array, options?: CallOptions): Promise<void>;
  /**
   * Deletes every volume of this VM (disks, seed, serial log), and nothing else. Success when there are none. Conflict, naming them, while
   * disks of others back onto them: then nothing is deleted.
   */
  remove(vm: VmIdentity, options?: CallOptions): Promise<void>;
}

/** An image file on the server's disk, ready to be sent. */
export interface ImageFile {
  /** `sha256:` and 64 hex digits of the file's bytes. */
  readonly digest: string;
  readonly format: "qcow2" | "raw";
  readonly path: string;
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
}

export interface ImportedImage {
  /** Given to `ensureRoot`; derived from the digest. */
  readonly id: string;
  /** Where it lies on the hypervisor. */
  readonly path: string;
  readonly virtualSizeBytes: number;
}

/** An image on the hypervisor, whole or not, and what backs onto it. */
export interface StoredImage {
  readonly id: string;
  /** `sha256:` and the first 24 hex digits of the file's digest, or all of them. */
  readonly digestStart: string;
  /** Bytes taken there. */
  readonly sizeBytes: number;
  /** False for what an import has not finished, or never will. */
  readonly isComplete: boolean;
  /** Domains and volumes by name, in any pool, also such as are not ours. */
  readonly users: readonly string[];
}

/** Base images on the hypervisor, by content. */
export interface ImageRole {
  /** The complete image of this digest, or undefined; an interrupted import does not count. */
  find(digest: string, options?: CallOptions): Promise<ImportedImage | undefined>;
  /** Sends an image. Idempotent: what an interrupted import left is replaced; a complete one is kept. */
  import(
    image: ImageFile,
    options?: CallOptions & { readonly onProgress?: (sentBytes: number) => void },
  ): Promise<ImportedImage>;
  /** Deletes an image. Conflict, naming what uses it, when anything backs onto it. Success when absent. */
  remove(digest: string, options?: CallOptions): Promise<void>;
  /** All images there are, those of others who keep theirs in the same way included. */
  list(options?: CallOptions): Promise<readonly StoredImage[]>;
  /** Like `remove`, for one of the list; Conflict also while it is being imported. */
  discard(id: string, options?: CallOptions): Promise<void>;
}

export interface GuestAddress {
  readonly ip: string;
  readonly mac?: string;
  readonly source: "lease" | "agent" | "arp";
}

/** Addresses of guests. */
export interface AddressRole {
  /** Asks leases, agent and ARP at once and gives what any of them knows; a silent source is no error. */
  lookup(vm: VmIdentity, macs: readonly string[], options?: CallOptions): Promise<readonly GuestAddress[]>;
  /** Gives the DHCP leases of these MACs back. Success when there are none, or where the host is out of reach (they expire). */
  release(macs: readonly string[], options?: CallOptions): Promise<void>;
}

/** The serial console. */
export interface ConsoleRole {
  /** Attaches; several may read and write. Ends when the VM stops or the signal aborts. */
  open(vm: VmIdentity, options: { readonly signal: AbortSignal }): Promise<ConsoleStream>;
  /** What the serial console has printed, oldest first, up to `tailBytes` from the end. */
  readLog(vm: VmIdentity, options?: CallOptions & { readonly tailBytes?: number }): Promise<Uint8Array>;
}

export interface ConsoleStream {
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** How to reach a hypervisor; from a Provider object and its Secret. */
export interface ProviderConfig {
  /** For example `qemu:///system`. */
  readonly endpoint: string;
  /** The Secret's entries, decoded. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Name or address at which other hosts reach this one; found out from the endpoint when absent. */
  readonly migrationAddress?: string;
  /** Storage pool for what we make; made when missing. */
  readonly pool: string;
  /** Whether a VM may have settings that reach past the contract; they are refused otherwise. */
  readonly allowsOverlay?: boolean;
  /** Longest wait for one health check, milliseconds. */
  readonly timeoutMs: number;
}

/** Makes providers of one type. Connecting happens in the background; `describe` waits for it. */
export interface ProviderFactory {
  readonly type: string;
  /** `name` is that of the Provider object, for figures. */
  open(config: ProviderConfig, options?: { readonly name?: string }): Provider;
}
