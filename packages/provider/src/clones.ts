// What the controllers ask of a hypervisor about copies of VMs' disks. An optional role of a Provider.

import type { CallOptions, VmIdentity } from "./provider.ts";

export type CloneSource =
  /** What the disks of a VM held at that moment; the VM may run. */
  | { readonly kind: "snapshot"; readonly vm: VmIdentity; readonly uid: string }
  /** Disks that were made by `create` for something that never has a domain, such as a template. */
  | { readonly kind: "disks"; readonly owner: VmIdentity }
  /** An imported image, which becomes the disk `root`. */
  | { readonly kind: "image"; readonly imageId: string };

export interface CloneRequest {
  readonly source: CloneSource;
  /** `linked` keeps only what differs; the source must stay. */
  readonly method: "full" | "linked";
}

export interface CloneProgress {
  readonly disk: string;
  readonly diskDoneBytes: number;
  readonly diskTotalBytes: number;
  readonly doneDisks: number;
  readonly totalDisks: number;
}

export interface ClonedDisk {
  readonly name: string;
  /** As a guest sees it. */
  readonly sizeBytes: number;
}

/** A disk's file as it lies on the host. */
export interface DiskFile {
  readonly format: "qcow2";
  readonly sizeBytes: number;
  /** All of it, in order; to be read once. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface CloneRole {
  /**
   * Makes the disks of `target`, which has no domain, with the names that they have in the source, and returns when all are whole. What an
   * earlier try left is made anew. Before anything is touched: NotFound where the source is not there, Conflict where the target has a
   * domain, Unsupported where the source cannot be read.
   */
  create(
    target: VmIdentity,
    request: CloneRequest,
    options?: CallOptions & { readonly onProgress?: (progress: CloneProgress) => void },
  ): Promise<readonly ClonedDisk[]>;
  /**
   * Gives the file of a disk that `create` made as a full copy for something that never has a domain. NotFound without it; Conflict where it
   * does not stand on its own.
   */
  read(owner: VmIdentity, disk: string, options?: CallOptions): Promise<DiskFile>;
  /**
   * Has the disks of a VM need nothing but themselves, while it runs or is off, and returns when they do. Success when they do already.
   * Conflict where it has snapshots, which need what lies below them. NotFound where it has no domain.
   */
  unlink(
    vm: VmIdentity,
    options?: CallOptions & { readonly onProgress?: (progress: CloneProgress) => void },
  ): Promise<void>;
}
