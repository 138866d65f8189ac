// What is asked of a hypervisor to keep copies of its image files elsewhere, and to bring them back. An optional role of a Provider.

import type { CallOptions, ImageFile, ImportedImage } from "./provider.ts";

export interface ImageBackupRole {
  /** All bytes of an image's file as they lie there, in order. NotFound when it is not there, or not whole. */
  read(digest: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /**
   * Puts the file in place of what is there under this digest, which is missing, cut short or damaged; of a layer, `digest` is not that of
   * its bytes. Conflict, naming it, while a VM that is on reads from it: then nothing is touched. What was interrupted is not whole, and is
   * put there again by the next try.
   */
  restore(
    image: ImageFile,
    options?: CallOptions & { readonly onProgress?: (sentBytes: number) => void },
  ): Promise<ImportedImage>;
}
