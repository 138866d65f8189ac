// Where images come from, and the contract of the cache that holds them. See image-cache.ts.

/** A published image. */
export interface UrlSource {
  readonly kind: "url";
  /** http:, https: or file:. */
  readonly url: string;
  /** May be credentials: they go to the URL's own origin alone, and into no message. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM. Shown to the URL's own origin alone. */
  readonly clientCertificate?: ClientCertificate;
  readonly checksum?: { readonly algorithm: "md5" | "sha1" | "sha256" | "sha512"; readonly hex: string };
}

export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A Debian cloud image built here from the host's own configured mirrors. */
export interface DebootstrapSource {
  readonly kind: "debootstrap";
  /** For example `bookworm`; the host's own suite when absent. */
  readonly suite?: string;
  /** Packages beyond kernel, systemd, cloud-init, openssh-server and qemu-guest-agent. */
  readonly packages: readonly string[];
  /** Size of the disk, bytes. */
  readonly diskBytes: number;
}

/** How an image is kept, where it is not kept as it came. */
export interface StoredForm {
  readonly format?: CachedImage["format"];
  /** qcow2 only. */
  readonly isCompressed?: boolean;
}

export type ImageSource = (UrlSource | DebootstrapSource) & { readonly stored?: StoredForm };

export interface ImageProgress {
  /** `Downloading` | `Importing` (building) | `Converting`, as in VMImage.status.phase. */
  readonly phase: "Downloading" | "Importing" | "Converting";
  /** A few words for people: `resuming at 1.2 GiB`, `installing 212 packages`. */
  readonly message: string;
  readonly transferredBytes: number;
  /** 0 when not known. */
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
}

/** A complete, verified image in the cache. Formats other than these two are converted when they are fetched. */
export interface CachedImage {
  /** `sha256:` and 64 hex digits of the file's bytes. */
  readonly digest: string;
  readonly format: "qcow2" | "raw";
  readonly path: string;
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
}

export interface EnsureOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
  /**
   * Asks the source of a stored image whether it gives another one by now, and fetches that. Where there is no way to tell (no validator),
   * it is fetched to see. An image with a checksum cannot change, and a build is what it was.
   */
  readonly refresh?: boolean;
  /** Fetches or builds anew, whatever is here. */
  readonly force?: boolean;
}

/** A cache of images by content, in one directory, shared by nobody else. */
export interface ImageCache {
  /** Already here, without any network traffic or build; undefined when it has to be fetched. */
  find(source: ImageSource): Promise<CachedImage | undefined>;
  /**
   * Fetches or builds. Safe to repeat after a crash at any point: a download resumes, a build starts over. Calls for the same source
   * share one fetch. Throws ImageError.
   */
  ensure(source: ImageSource, options: EnsureOptions): Promise<CachedImage>;
  /** Drops what this source gave, unless another one gave the same. Success when there is none. Not while somebody wants it. */
  forget(source: ImageSource): Promise<void>;
}

const isRetryable = {
  /** The host of the URL does not answer (DNS, refused, reset, time-out). */
  Unreachable: true,
  /** 401, 403. Other credentials may be given meanwhile. */
  Unauthorized: true,
  /** 404, 410. */
  NotFound: false,
  /** Another HTTP error. */
  HttpError: true,
  ChecksumMismatch: false,
  /** Ended early after all retries. */
  Incomplete: true,
  DiskFull: true,
  /** The cache's directory or the source file cannot be read or written, for another reason than room. */
  StorageFailed: true,
  UnknownFormat: false,
  /** A tool that a local build needs is missing, or this host has no Debian mirrors. */
  Unsupported: false,
  BuildFailed: true,
} as const;

export type ImageErrorCode = keyof typeof isRetryable;

export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }

  get retryable(): boolean {
    return isRetryable[this.code];
  }
}
