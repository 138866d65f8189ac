// What the controllers ask of a hypervisor about snapshots of VMs. An optional role of a Provider.

import type { CallOptions, VmIdentity } from "./provider.ts";

/** `internal`: inside the disks' own files. `external`: the disks' files stay as they are, what is written from then on goes into new ones. */
export type SnapshotMethod = "internal" | "external";

/**
 * What the disks hold. `off`: the VM was off. `memory`: what was in memory belongs to it. `filesystem`: the guest agent had the file
 * systems written out and held still. `crash`: as after a power cut.
 */
export type SnapshotConsistency = "off" | "memory" | "filesystem" | "crash";

export interface SnapshotRequest {
  /** metadata.uid of the VMSnapshot: a UUID, from which all names follow. */
  readonly uid: string;
  /** For people. */
  readonly name: string;
  readonly description?: string;
  /** Whether the memory of a VM that runs belongs to it. One that is off has none. */
  readonly memory: boolean;
  /** `required`: Conflict where the guest agent is not there. */
  readonly quiesce: "required" | "if-possible" | "never";
  /** The provider's choice when absent. */
  readonly method?: SnapshotMethod;
}

export interface SnapshotObservation {
  readonly uid: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** uid of the snapshot that the VM was at when this was taken. */
  readonly parent?: string;
  /** What the VM is now came out of this one. */
  readonly isCurrent: boolean;
  readonly method: SnapshotMethod;
  readonly consistency: SnapshotConsistency;
  readonly hasMemory: boolean;
  /** Names of the disks that go back with it. */
  readonly disks: readonly string[];
  /** Disks that the VM had and that do not: read-only ones, and Volumes, which have a life of their own. */
  readonly leftOut: readonly string[];
  /** Space of what it keeps: frozen disks and memory; absent where that cannot be told. */
  readonly sizeBytes?: number;
  /** Of its disks, as the guest sees them; absent where that cannot be told. */
  readonly virtualSizeBytes?: number;
}

export interface SnapshotProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export type SnapshotCallOptions = CallOptions & { readonly onProgress?: (progress: SnapshotProgress) => void };

/** Snapshots of VMs, which form a tree. */
export interface SnapshotRole {
  /** All of the VM, parents first. None where there is no domain. Never changes anything. */
  list(vm: VmIdentity, options?: CallOptions): Promise<readonly SnapshotObservation[]>;
  /**
   * Takes one, and returns when it is whole. Idempotent: one of that uid that is there is kept; what an interrupted try left is finished or
   * made anew. Before anything is touched: NotFound where there is no domain, Unsupported or Conflict, with the reason, where it cannot
   * be taken as asked, NoSpace where memory does not fit.
   */
  create(vm: VmIdentity, request: SnapshotRequest, options?: SnapshotCallOptions): Promise<void>;
  /**
   * Brings disks, and memory where it belongs to it, back to the snapshot. Pulls the plug of a VM that runs. With memory the VM runs
   * afterwards, else it is off. What was not in any snapshot is lost. Done once for each `requestId`, so that a repeat after a lost
   * answer takes nothing back twice. NotFound where there is no such snapshot.
   */
  revert(
    vm: VmIdentity,
    to: { readonly uid: string; readonly requestId: string },
    options?: SnapshotCallOptions,
  ): Promise<void>;
  /**
   * Removes one, wherever in the tree it is: the VM, and the snapshots before and after it, stay as they are. Returns when its space is
   * given back, or what of it others still need is left to them. Success where there is none.
   */
  remove(vm: VmIdentity, uid: string, options?: SnapshotCallOptions): Promise<void>;
}
