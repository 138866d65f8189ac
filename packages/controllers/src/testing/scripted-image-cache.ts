// An image cache whose every step the test decides: real downloads and builds take minutes and cannot be stopped half-way at will.

import type { CachedImage, EnsureOptions, ImageCache, ImageProgress, ImageSource } from "@vivarium/images";

export interface ScriptedFetch {
  readonly source: ImageSource;
  readonly signal: AbortSignal;
  readonly isRefresh: boolean;
  readonly isForced: boolean;
  progress(progress: Partial<ImageProgress>): void;
  finish(image?: Partial<CachedImage>): void;
  fail(error: Error): void;
}

export class ScriptedImageCache implements ImageCache {
  readonly fetches: ScriptedFetch[] = [];
  readonly forgotten: ImageSource[] = [];
  readonly #isImmediate: boolean;

  /** `isImmediate`: every source is there at once. */
  constructor({ isImmediate = false }: { readonly isImmediate?: boolean } = {}) {
    this.#isImmediate = isImmediate;
  }

  async find(): Promise<CachedImage | undefined> {
    return undefined;
  }

  forget(source: ImageSource): Promise<void> {
    this.forgotten.push(source);
    return Promise.resolve();
  }

  ensure(source: ImageSource, options: EnsureOptions): Promise<CachedImage> {
    const { signal, onProgress, refresh: isRefresh = false, force: isForced = false } = options;
    if (this.#isImmediate) return Promise.resolve(cachedImage);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      this.fetches.push({
        source,
        signal,
        isRefresh,
        isForced,
        progress: (progress) =>
          onProgress?.({
            phase: "Downloading",
            message: "",
            transferredBytes: 0,
            totalBytes: 0,
            bytesPerSecond: 0,
            ...progress,
          }),
        finish: (image) => resolve({ ...cachedImage, ...image }),
        fail: reject,
      });
    });
  }
}

export const cachedImage: CachedImage = {
  digest: `sha256:${"a".repeat(64)}`,
  format: "qcow2",
  path: "/nowhere/image.qcow2",
  sizeBytes: 400 * 1024 ** 2,
  virtualSizeBytes: 4 * 1024 ** 3,
};
