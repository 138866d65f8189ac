// All that the plan is given: what is declared, resolved, remembered and seen.

import type { GuestAddress, ProviderError, VmDefinition, VmObservation } from "@vivarium/provider";
import type { Placement } from "../../placement/model.ts";
import type { VmRecord } from "../record.ts";
import type { DiskSize } from "./disk-plan.ts";
import type { HotMemory } from "./hot-plan.ts";
import type { PowerCyclePolicy } from "./power-cycle-plan.ts";
import type { RevertTarget } from "./revert-plan.ts";
import type { RunRequests } from "./run-state-plan.ts";
import type { SizeInput } from "./size-plan.ts";

/** Why a VM cannot be built or run as declared. */
export interface Problem {
  readonly reason:
    | "ProviderNotFound"
    | "ClassNotFound"
    | "ImageNotFound"
    | "NetworkNotFound"
    | "NetworkNotReady"
    | "SecretNotFound"
    | "VolumeNotFound"
    | "VolumeNotReady"
    | "AddressInUse"
    | "SnapshotNotFound"
    | "SnapshotNotReady"
    | "PoolFull"
    | "InvalidUserData"
    | "InvalidSpec"
    | "Unsupported"
    | "ImageNotReady"
    | "ImageFailed"
    | "CloneNotFound"
    | "CloneNotReady"
    | "CloneFailed"
    | "DomainNotFound"
    | "DomainNotFree"
    | "NoHostFits"
    | "HostFull";
  readonly message: string;
}

export type Resolved<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What is made before the domain: needed only while the domain is absent. */
export interface BuildPlan {
  readonly root: ImageDisk | ClonedDisks;
  readonly seed: Uint8Array;
}

/** A root disk that is made of an image. */
export interface ImageDisk {
  readonly name: string;
  readonly imageId: string;
  readonly sizeBytes?: number;
}

/** Disks that somebody else makes, once it is said where the VM is to be; their names when they are there. */
export interface ClonedDisks {
  readonly cloned: Resolved<readonly string[]>;
}

export interface DataDisk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly preallocated: boolean;
}

export type Seen = VmObservation | { readonly kind: "unavailable"; readonly error: ProviderError };

/** `spec.powerState`. */
export type PowerWish = "On" | "Off" | "OffGraceful" | "Paused" | "Suspended";

export interface AdoptionWish {
  readonly uuid: string;
  readonly deletionPolicy: "Release" | "Delete";
  /** The spec wants another domain than the VM is. */
  readonly problem?: Problem;
}

export interface PlanInput {
  readonly nowMs: number;
  readonly generation: number;
  /** Kept while our finalizer is on the object. */
  readonly hasFinalizer: boolean;
  readonly isDeleting: boolean;
  /** The user accepts that something may be left on a hypervisor that cannot be asked. */
  readonly isForcedDelete: boolean;
  readonly power: PowerWish;
  readonly gracefulTimeoutMs: number;
  /** Whether the VM is taken off and on again for what only that changes. */
  readonly powerCyclePolicy: PowerCyclePolicy;
  readonly restartRequest?: string;
  readonly requests: RunRequests;
  readonly record: VmRecord;
  /** The VM is a domain that was there before; see adopted-plan.ts. */
  readonly adopted?: AdoptionWish;
  /** Whether any interface is to get an address. */
  readonly expectsAddress: boolean;
  /** `namespace/name` of the Provider; absent when there is none (its problem is then in `definition`). */
  readonly provider?: string;
  /** Absent once the VM is bound to a host, or where there is only one. */
  readonly hostChoice?: Placement;
  readonly definition: Resolved<VmDefinition>;
  readonly dataDisks: readonly DataDisk[];
  /** Of the VM's own disks, where the spec says one. */
  readonly diskSizes: readonly DiskSize[];
  /** Absent where the hypervisor changes no disk of a running VM. */
  readonly hotDisks?: HotMemory;
  /** Absent where the hypervisor changes no interface of a running VM. */
  readonly hotNics?: HotMemory;
  /** An interface has no MAC address of its own yet. */
  readonly isMacDue: boolean;
  /** Absent where the hypervisor changes no size of a running VM. */
  readonly sizing?: Pick<SizeInput, "memoryAskedAtMs" | "retryAtMs">;
  readonly build: Resolved<BuildPlan>;
  /** The snapshot that it is to go back to; absent when there is none. */
  readonly revert?: Resolved<RevertTarget>;
  /** A snapshot of it is being taken. */
  readonly isBeingSnapshotted?: boolean;
  /** Names of snapshots that shall outlive the VM. */
  readonly stayingSnapshots?: readonly string[];
  readonly seen: Seen;
  readonly addresses: readonly GuestAddress[];
  /** Asked at this time, by this process, for a shutdown. */
  readonly shutdownAskedAtMs?: number;
  /** Answer of the step ProbeBoot for this start. */
  readonly bootProbe?: "silent" | "alive";
  /** Steps done since the last look at the spec; see `stepKey`. */
  readonly done: ReadonlySet<string>;
}
