// What the controllers ask of a hypervisor about storage: pools, volumes with a life of their own, and disks of running VMs. Optional
// roles of a Provider: where one is absent the hypervisor has no such thing.

import type { CallOptions, DiskSource, DiskTuning, VmIdentity } from "./provider.ts";

/** A pool that was made for a StoragePool has that object's uid; one that was adopted is known by its name alone. */
export type PoolRef =
  | { readonly kind: "made"; readonly uid: string; readonly name: string }
  | { readonly kind: "adopted"; readonly name: string };

export interface PoolSource {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly devices?: readonly string[];
  readonly name?: string;
  readonly format?: string;
}

export interface PoolDefinition {
  /** metadata.uid of the StoragePool; the pool's UUID. */
  readonly uid: string;
  readonly name: string;
  /** `dir`, `fs`, `netfs`, `logical`, … as in StoragePool.spec.create.type. */
  readonly type: string;
  readonly path?: string;
  readonly source?: PoolSource;
}

export type PoolObservation =
  | { readonly kind: "absent" }
  /** A pool holds the name and was not made for this object: never touched. */
  | { readonly kind: "foreign"; readonly reason: string }
  | {
      readonly kind: "present";
      readonly isActive: boolean;
      readonly type: string;
      readonly path?: string;
      readonly capacityBytes: number;
      readonly allocationBytes: number;
      readonly availableBytes: number;
      /** Sum of the volumes' sizes as guests see them; 0 while inactive. */
      readonly provisionedBytes: number;
      readonly volumes: number;
    };

/** Places where volumes lie. */
export interface PoolRole {
  /** Looks at the pool as the host last saw it. Never changes anything. */
  observe(pool: PoolRef, options?: CallOptions): Promise<PoolObservation>;
  /** Refuses what this host cannot do (Unsupported) or what makes no sense (InvalidSpec), before anything is touched. */
  check(definition: PoolDefinition, options?: CallOptions): Promise<void>;
  /** Defines, builds and starts it, and has it start with the host. Idempotent. Conflict where the name is somebody else's. */
  create(definition: PoolDefinition, options?: CallOptions): Promise<void>;
  /** Starts a pool that was stopped; success when it is active. NotFound when there is none. */
  start(pool: PoolRef, options?: CallOptions): Promise<void>;
  /** Has the host look again at what lies in it. NotFound when there is none. */
  refresh(pool: PoolRef, options?: CallOptions): Promise<void>;
  /**
   * Removes a pool that was made, and what was made for it. Conflict while volumes lie in it; success when absent.
   * An adopted one is refused with Conflict.
   */
  remove(pool: Extract<PoolRef, { kind: "made" }>, options?: CallOptions): Promise<void>;
}

/** A volume by the names that the hypervisor has for it and its pool. */
export interface VolumeRef {
  readonly pool: string;
  readonly name: string;
}

export interface VolumeCreation {
  readonly format: "qcow2" | "raw";
  readonly sizeBytes: number;
  readonly preallocation: "none" | "metadata" | "full";
  /** What it begins with: another volume, or an imported image by its id. */
  readonly from?: {
    readonly source: { readonly volume: VolumeRef } | { readonly imageId: string };
    /** `linked` keeps only what differs; the source must stay. */
    readonly method: "copy" | "linked";
  };
}

export type VolumeUser =
  /** A domain, running or not, has it as a disk; `uid` is the domain's. */
  | { readonly kind: "vm"; readonly name: string; readonly uid: string; readonly isOn: boolean }
  /** Another volume backs onto it. */
  | { readonly kind: "volume"; readonly pool: string; readonly name: string };

export type VolumeObservation =
  | { readonly kind: "absent" }
  /** Its pool is stopped or gone, so that nobody can tell. */
  | { readonly kind: "pool-away"; readonly reason: string }
  | {
      readonly kind: "present";
      readonly path: string;
      readonly format: string;
      readonly capacityBytes: number;
      readonly allocationBytes: number;
      readonly users: readonly VolumeUser[];
    };

/** Volumes that are nobody's disk from birth. */
export interface VolumeRole {
  /** Looks at the volume and at what uses it. Never changes anything. */
  observe(volume: VolumeRef, options?: CallOptions): Promise<VolumeObservation>;
  /**
   * Makes it, and returns when all of it is there. AlreadyExists when there is one: whether that is whole only the caller knows.
   * NotFound when the source is not there; Conflict when something that runs writes to the source. A failure leaves no volume;
   * an answer that is lost may leave one, whole or in the making.
   */
  create(volume: VolumeRef, creation: VolumeCreation, options?: CallOptions): Promise<void>;
  /** Makes it of the bytes of a file on the server's disk. Otherwise as `create`, but a failure may leave a part. */
  upload(
    volume: VolumeRef,
    file: { readonly path: string; readonly format: "qcow2" | "raw"; readonly sizeBytes: number },
    options?: CallOptions & { readonly onProgress?: (sentBytes: number) => void },
  ): Promise<void>;
  /** Grows it, also under a running VM, whose guest sees the new size at once. Success when it is as large; InvalidSpec to shrink. */
  grow(volume: VolumeRef, sizeBytes: number, options?: CallOptions): Promise<void>;
  /** Deletes it. Conflict, naming them, while anything uses it or backs onto it. Success when absent. */
  remove(volume: VolumeRef, options?: CallOptions): Promise<void>;
}

/** A disk to be plugged into a running VM. */
export interface HotDisk extends DiskSource, DiskTuning {
  readonly name: string;
}

/** Changes to the disks of a VM that is there; what is changed stays so over a restart of the guest. */
export interface HotplugRole {
  /**
   * Plugs a disk in. Success when it is. NotFound when there is no such volume, Conflict when another VM has it or the VM is off,
   * Unsupported when there is no free slot.
   */
  attachDisk(vm: VmIdentity, disk: HotDisk, options?: CallOptions): Promise<void>;
  /** Asks the guest to let go of a disk and returns at once; it is gone when `observe` does not show it. Success when it is not there. */
  requestDetach(vm: VmIdentity, disk: string, options?: CallOptions): Promise<void>;
  /** Changes limits; those that are absent are lifted. */
  tuneDisk(vm: VmIdentity, disk: { readonly name: string } & DiskTuning, options?: CallOptions): Promise<void>;
  /** Grows a disk of the VM's own; a guest that runs sees it at once. Success when it is as large; InvalidSpec to shrink. */
  growDisk(
    vm: VmIdentity,
    disk: { readonly name: string; readonly sizeBytes: number },
    options?: CallOptions,
  ): Promise<void>;
}
