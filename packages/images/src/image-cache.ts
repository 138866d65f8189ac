// The cache of images. `ensure` is: fetch → verify → import → store, shared by all who want the same source.

import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BlobStore } from "./blob-store.ts";
import { copySourceFile, fileVersion, sourceFilePath } from "./copy-source-file.ts";
import type { FileVersion } from "./copy-source-file.ts";
import { asImageError } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { buildDebianImage } from "./debootstrap-build.ts";
import { debianRecipe } from "./debootstrap-recipe.ts";
import { download } from "./download.ts";
import type { ImageClock } from "./download.ts";
import { partialDownload, readPartial, removePartial } from "./download-record.ts";
import { digestFile } from "./file-digest.ts";
import { safeUrl } from "./http-source.ts";
import type { ImageFetch } from "./http-source.ts";
import { importImage } from "./import-image.ts";
import { ImageError } from "./image-source.ts";
import type {
  CachedImage,
  DebootstrapSource,
  EnsureOptions,
  ImageCache,
  ImageProgress,
  ImageSource,
  UrlSource,
} from "./image-source.ts";
import { removeTree } from "./root-rights.ts";
import { ProgressMeter } from "./progress-meter.ts";
import { SharedFlights } from "./shared-flights.ts";
import { hasSourceChanged } from "./source-change.ts";
import { storedKey, urlSourceKey } from "./source-key.ts";

/** The part of a pino logger that is used. */
export interface ImageLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ImageCacheOptions {
  /** Made when absent. One process at a time may use it. */
  readonly directory: string;
  readonly logger: ImageLogger;
  /** How http: and https: are fetched; by default with the proxies of the environment (HTTPS_PROXY, NO_PROXY, …). */
  readonly fetch?: ImageFetch;
  readonly clock?: ImageClock;
  /** Room to leave on the file system; 1 GiB by default. */
  readonly reserveBytes?: number;
  /** Waits between failed attempts of a download. */
  readonly retryDelaysMs?: readonly number[];
  readonly idleTimeoutMs?: number;
}

const systemClock: ImageClock = {
  nowMs: () => performance.now(),
  delay: (ms, { signal }) => delay(ms, undefined, { signal }),
};

export function createImageCache(options: ImageCacheOptions): ImageCache {
  return new FileImageCache(options);
}

interface Fetched {
  readonly path: string;
  readonly sourceFile?: FileVersion;
  readonly validator?: string;
}

type Work = { readonly signal: AbortSignal; readonly report: (progress: ImageProgress) => void };

class FileImageCache implements ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #clock: ImageClock;
  readonly #blobs: BlobStore;
  readonly #space: SpaceGuard;
  readonly #flights = new SharedFlights<CachedImage, ImageProgress>();
  #prepared: Promise<void> | undefined;

  constructor(options: ImageCacheOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#blobs = new BlobStore(options.directory);
    this.#space = { directory: options.directory, reserveBytes: options.reserveBytes ?? 1 << 30 };
  }

  async find(source: ImageSource): Promise<CachedImage | undefined> {
    let key: string;
    try {
      key = await keyOf(source);
    } catch (error) {
      if (error instanceof ImageError) return undefined; // ensure says what is wrong with it
      throw error;
    }
    return this.#findByKey(key, source);
  }

  async ensure(source: ImageSource, options: EnsureOptions): Promise<CachedImage> {
    const key = await keyOf(source);
    return this.#flights.join(
      key,
      async (work) => {
        const found = await this.#findByKey(key, source);
        const isCurrent = options.refresh !== true || !(await this.#hasChanged(key, source, work.signal));
        if (found !== undefined && isCurrent && options.force !== true) return found;
        await this.#prepare();
        const started = this.#clock.nowMs();
        this.#options.logger.info({ source: describe(source) }, "fetching image");
        const image = await this.#fetchAndStore(key, source, work);
        const seconds = Math.round((this.#clock.nowMs() - started) / 1000);
        this.#options.logger.info({ source: describe(source), digest: image.digest, seconds }, "image is ready");
        return image;
      },
      options,
    );
  }

  async forget(source: ImageSource): Promise<void> {
    try {
      await this.#blobs.remove(await keyOf(source));
    } catch (error) {
      throw asImageError(`remove what is kept of ${describe(source)}`, error);
    }
  }

  async #findByKey(key: string, source: ImageSource): Promise<CachedImage | undefined> {
    try {
      const stored = await this.#blobs.read(key);
      if (stored === undefined || source.kind !== "url" || !isFileUrl(source.url)) return stored?.image;
      // A source file that is gone took nothing from the copy; one that is different now is another image.
      const now = await fileVersion(sourceFilePath(source.url));
      const then = stored.record.sourceFile;
      const isSame = now === undefined || (now.sizeBytes === then?.sizeBytes && now.modifiedNs === then.modifiedNs);
      return isSame ? stored.image : undefined;
    } catch (error) {
      throw asImageError(`look up ${describe(source)}`, error);
    }
  }

  async #hasChanged(key: string, source: ImageSource, signal: AbortSignal): Promise<boolean> {
    if (source.kind !== "url" || isFileUrl(source.url)) return false; // a file was compared when it was looked up
    const validator = (await this.#blobs.read(key))?.record.validator;
    const timeout = AbortSignal.timeout(this.#options.idleTimeoutMs ?? 30_000);
    const fetch = this.#options.fetch ?? (await proxyFetch());
    return hasSourceChanged(source, { fetch, signal: AbortSignal.any([signal, timeout]), validator });
  }

  /** Once per process: leftovers of an earlier one are removed, those of this one are in use. */
  async #prepare(): Promise<void> {
    this.#prepared ??= this.#blobs.prepare();
    try {
      await this.#prepared;
    } catch (error) {
      this.#prepared = undefined;
      throw asImageError(`prepare ${this.#options.directory}`, error);
    }
  }

  async #fetchAndStore(key: string, source: ImageSource, work: Work): Promise<CachedImage> {
    const workDirectory = this.#blobs.workDirectory(key);
    try {
      await removeTree(workDirectory);
      await mkdir(workDirectory, { recursive: true });
      const fetched = await this.#fetch(key, source, { ...work, workDirectory });
      return await this.#import(key, source, { ...work, workDirectory, fetched });
    } catch (error) {
      work.signal.throwIfAborted();
      throw asImageError(`fetch ${describe(source)}`, error);
    } finally {
      await removeTree(workDirectory);
    }
  }

  async #fetch(key: string, source: ImageSource, work: Work & { readonly workDirectory: string }): Promise<Fetched> {
    if (source.kind === "debootstrap") return { path: await this.#build(source, work) };
    const fetched = isFileUrl(source.url) ? await this.#copy(source, work) : await this.#download(key, source, work);
    await this.#verify(key, source, { ...work, path: fetched.path });
    return fetched;
  }

  async #build(source: DebootstrapSource, work: Work & { readonly workDirectory: string }): Promise<string> {
    const recipe = await debianRecipe(source);
    return buildDebianImage(recipe, { ...work, space: this.#space, nowMs: () => this.#clock.nowMs() });
  }

  async #copy(source: UrlSource, work: Work & { readonly workDirectory: string }): Promise<Fetched> {
    const path = join(work.workDirectory, "copy");
    const sourceFile = await copySourceFile(sourceFilePath(source.url), path, {
      ...work,
      space: this.#space,
      nowMs: () => this.#clock.nowMs(),
    });
    return { path, sourceFile };
  }

  async #download(key: string, source: UrlSource, work: Work): Promise<Fetched> {
    const partial = partialDownload(this.#blobs.partialDirectory, key);
    await download(source, partial, {
      ...work,
      fetch: this.#options.fetch ?? (await proxyFetch()),
      clock: this.#clock,
      space: this.#space,
      retryDelaysMs: this.#options.retryDelaysMs ?? [1000, 2000, 5000, 10_000, 20_000],
      idleTimeoutMs: this.#options.idleTimeoutMs ?? 30_000,
    });
    const validator = (await readPartial(partial, source.url))?.record.validator;
    return { path: partial.path, ...(validator !== undefined && { validator }) };
  }

  /** What fails here is removed: resuming it could only fail again. */
  async #verify(key: string, source: UrlSource, work: Work & { readonly path: string }): Promise<void> {
    if (source.checksum === undefined) return;
    const { algorithm, hex } = source.checksum;
    const digests = await this.#digest(work.path, { ...work, algorithm });
    const found = digests[algorithm];
    if (found === hex.toLowerCase()) return;
    await removePartial(partialDownload(this.#blobs.partialDirectory, key));
    throw new ImageError(
      "ChecksumMismatch",
      `Cannot use ${describe(source)}: ${algorithm} is ${found}, expected ${hex.toLowerCase()}`,
    );
  }

  async #import(
    key: string,
    source: ImageSource,
    work: Work & { readonly workDirectory: string; readonly fetched: Fetched },
  ): Promise<CachedImage> {
    const partial = partialDownload(this.#blobs.partialDirectory, key);
    try {
      const imported = await importImage(work.fetched.path, {
        ...work,
        name: describe(source),
        ...(source.stored !== undefined && { stored: source.stored }),
        space: this.#space,
        nowMs: () => this.#clock.nowMs(),
      });
      const { sha256 } = await this.#digest(imported.path, { ...work, algorithm: "sha256" });
      const { size } = await stat(imported.path);
      const image = await this.#blobs.add(key, imported.path, {
        version: 1,
        source: describe(source),
        digest: `sha256:${sha256}`,
        format: imported.format,
        sizeBytes: size,
        virtualSizeBytes: imported.virtualSizeBytes,
        ...(work.fetched.sourceFile !== undefined && { sourceFile: work.fetched.sourceFile }),
        ...(work.fetched.validator !== undefined && { validator: work.fetched.validator }),
      });
      await removePartial(partial);
      return image;
    } catch (error) {
      // The same bytes would be refused again.
      const isFinal = error instanceof ImageError && ["UnknownFormat", "ChecksumMismatch"].includes(error.code);
      if (isFinal) await removePartial(partial);
      throw error;
    }
  }

  async #digest(
    path: string,
    { algorithm, signal, report }: Work & { readonly algorithm: "md5" | "sha1" | "sha256" | "sha512" },
  ): Promise<Readonly<Record<string, string>>> {
    const { size } = await stat(path);
    const meter = new ProgressMeter("Importing", {
      message: `verifying (${algorithm})`,
      report,
      nowMs: () => this.#clock.nowMs(),
    });
    return digestFile(path, { algorithms: [algorithm], signal, onBytes: (done) => meter.update(done, size) });
  }
}

async function keyOf(source: ImageSource): Promise<string> {
  const key = source.kind === "url" ? urlSourceKey(source) : (await debianRecipe(source)).key;
  return storedKey(key, source.stored);
}

function isFileUrl(url: string): boolean {
  return URL.parse(url)?.protocol === "file:";
}

function describe(source: ImageSource): string {
  return source.kind === "url" ? safeUrl(source.url) : `Debian ${source.suite ?? "image"} built here`;
}

/** Loaded when a download starts: undici takes 50 ms that a start of the program need not spend. */
async function proxyFetch(): Promise<ImageFetch> {
  const { EnvHttpProxyAgent, fetch } = await import("undici");
  const connectTimeout = 10_000;
  const common = new EnvHttpProxyAgent({ connectTimeout });
  return (url, { clientCertificate, ...init }) => {
    const dispatcher =
      clientCertificate === undefined
        ? common
        : new EnvHttpProxyAgent({ connectTimeout, connect: clientCertificate, requestTls: clientCertificate });
    return fetch(url, { ...init, dispatcher });
  };
}
