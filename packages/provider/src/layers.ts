// What the controllers ask of a hypervisor about image layers. An optional role of a Provider: without it nothing can be built there.

import type { CallOptions, ImportedImage, VmIdentity } from "./provider.ts";

/** How large an image is, and what its bytes are now. */
export interface ImageMeasure {
  /** `sha256:` and 64 hex digits of the file's bytes as they are read now. */
  readonly contentDigest: string;
  /** Length of the file. */
  readonly sizeBytes: number;
  /** Space that it takes on the host. */
  readonly allocationBytes: number;
}

type ProgressOptions = CallOptions & { readonly onProgress?: (doneBytes: number) => void };

export interface LayerRole {
  /**
   * Makes an image of what a VM has written to a disk beyond the image below it; `digest` names it as others are named by their bytes. The
   * VM stays as it is. Conflict while it is on, or has snapshots; NotFound without the disk; NoSpace where the host is full: then nothing of
   * it is left. Idempotent: what an interrupted try left is replaced, a complete one is kept.
   */
  seal(
    vm: VmIdentity,
    layer: { readonly disk: string; readonly digest: string },
    options?: ProgressOptions,
  ): Promise<ImportedImage>;
  /** Reads all of an image. NotFound when it is not there. */
  measure(digest: string, options?: ProgressOptions): Promise<ImageMeasure>;
  /** Names of what backs onto the image that lies at this path, or lay there: what needs a file still needs it when it is gone. */
  usersOf(path: string, options?: CallOptions): Promise<readonly string[]>;
}
