// What the controllers ask of two hypervisors of one type about moving a VM from one to the other, as the same VM. Optional: where the role
// is absent a VM stays where it was made.
//
//   check ─► move ─► settle          check touches nothing of the VM; move may fail, or be cut off, at any point;
//              └─ failed, cut off ─► settle      settle leaves one domain, on one side, and says on which.

import type { CallOptions, VmIdentity } from "./provider.ts";

/** A hypervisor as the goal of a move. Only providers of its type can make something of it. */
export interface MigrationTarget {
  readonly type: string;
}

export interface MoveWish {
  readonly to: MigrationTarget;
  /** `live`: it runs, or is paused, and goes on there. `offline`: it is off. */
  readonly mode: "live" | "offline";
}

export interface MoveCheck extends MoveWish {
  /** Whether disks are copied; found out when absent. */
  readonly copyStorage?: boolean;
  /** Of a live move: whether it is to be as MoveTuning says. */
  readonly postCopy?: boolean;
}

export type MoveStorage = "shared" | "copied";

export type MoveObstacleReason =
  | "AddressMissing"
  | "CPUIncompatible"
  | "DeviceNotMovable"
  | "DiskNotReachable"
  | "FirmwareMissing"
  | "HypervisorTooOld"
  | "MachineRunning"
  | "MachineNotRunning"
  | "NameConflict"
  | "NetworkMissing"
  | "NoSpace"
  | "NotDefined"
  | "PostCopyUnsupported"
  | "SameHost"
  | "SavedMemory"
  | "SnapshotsInside"
  | "StorageDiffers"
  | "Unsupported";

export interface MoveObstacle {
  readonly reason: MoveObstacleReason;
  /** What it is, and what would help. */
  readonly message: string;
}

export interface MoveOutlook {
  /** Whether both see the same files. */
  readonly storage: MoveStorage;
  /** All of them; none when it can begin. */
  readonly obstacles: readonly MoveObstacle[];
}

/** Of a live move. */
export interface MoveTuning {
  /** How long the guest may stand still at its end. */
  readonly maxDowntimeMs?: number;
  readonly maxBytesPerSecond?: number;
  /** Slows the guest's CPUs where it changes memory faster than that can be moved. */
  readonly autoConverge?: boolean;
  /** After one pass over the memory the guest goes on there, with the rest still to come. */
  readonly postCopy?: boolean;
  readonly compress?: boolean;
}

export interface Move extends MoveWish {
  readonly storage: MoveStorage;
  readonly tuning?: MoveTuning;
}

export interface MoveProgress {
  readonly doneBytes: number;
  /** Grows while a guest that runs goes on writing. */
  readonly totalBytes: number;
  readonly bytesPerSecond?: number;
}

export interface MoveReport {
  /** How long the guest stood still, where the hypervisor tells. */
  readonly downtimeMs?: number;
}

export type MoveSide = "source" | "target" | "neither";

/** A disk that was copied to another hypervisor for another VM. */
export interface ExportedDisk {
  readonly name: string;
  /** There. */
  readonly volume: string;
  /** As a guest sees it, on either side. */
  readonly sizeBytes: number;
  /** That were sent. */
  readonly sentBytes: number;
  /** `sha256:` and 64 hex digits: of what was sent, and, where it was read again there, of that. */
  readonly checksum: string;
}

export interface MigrationRole {
  /** This one, for the role of another. */
  readonly target: MigrationTarget;
  /** Everything that stands in the way. */
  check(vm: VmIdentity, wish: MoveCheck, options?: CallOptions): Promise<MoveOutlook>;
  /**
   * Moves it from here, and returns when it is there. On abort it is given up as far as that goes. Whatever it throws, only `settle` tells on
   * which side the VM is.
   */
  move(
    vm: VmIdentity,
    move: Move,
    options?: CallOptions & { readonly onProgress?: (progress: MoveProgress) => void },
  ): Promise<MoveReport>;
  /**
   * Asked here after a move from here, however that ended and whoever began it: ends what goes on, leaves the VM on one side, and of copied
   * storage nothing on the other. Safe to repeat. `neither`: there is no domain of it on either.
   */
  settle(vm: VmIdentity, move: Pick<Move, "to" | "mode" | "storage">, options?: CallOptions): Promise<MoveSide>;
  /**
   * Copies whole disks of `owner`, which has no domain, to a VM there that has none yet, and returns when all are complete. What an earlier try
   * left there is made anew. NotFound where there are none; Conflict where the VM has a domain, or a disk rests on another file. `isVerified`:
   * each is read again there and compared.
   */
  exportDisks(
    owner: VmIdentity,
    to: { readonly target: MigrationTarget; readonly vm: VmIdentity; readonly isVerified: boolean },
    options?: CallOptions & { readonly onProgress?: (progress: MoveProgress) => void },
  ): Promise<readonly ExportedDisk[]>;
}
