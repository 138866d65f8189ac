// Decides what to do next about a VMImage. Pure.
//
//   no VM uses it ─► rest
//   every provider in use has it ─► rest (Ready)
//   else: fetch into the cache ─► import to each provider that lacks it
//
// Sources are tried in their order; only "nobody answers there" leads to the next one. Every other failure stands, and says so.

import type { DeclaredImageSource } from "@vivarium/api";
import type { CachedImage, ImageProgress } from "@vivarium/images";
import { ImageError } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { ImportedImage, ProviderError } from "@vivarium/provider";
import type { TaskState } from "./background-tasks.ts";
import { MissingCredential } from "./image-credentials.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { messageOf } from "./steps/problem-of.ts";
import type { ImageProblem, ImageWork } from "./vm-image-source.ts";

export type FetchState = TaskState<CachedImage, ImageProgress>;
export type ImportState = TaskState<ImportedImage, { readonly sentBytes: number }>;

export type RefreshState = TaskState<{ readonly hasChanged: boolean }, never>;

/** A provider on which some VM uses the image. */
export interface ImageUser {
  readonly provider: ProviderKey;
  /** Key in status.providerStatus. */
  readonly statusKey: string;
  readonly seen:
    | { readonly kind: "not-open" }
    /** Could not look. */
    | { readonly kind: "unavailable"; readonly error: ProviderError }
    | { readonly kind: "absent" }
    | { readonly kind: "present"; readonly imported: ImportedImage };
  readonly importing: ImportState;
}

export interface ImageObservation {
  readonly nowMs: number;
  readonly work: ImageWork | ImageProblem;
  readonly users: readonly ImageUser[];
  /** For each of the sources. */
  readonly fetches: readonly FetchState[];
  /** The last look for a newer image. */
  readonly refresh?: RefreshObservation;
}

export interface RefreshObservation {
  readonly state: RefreshState;
  /** When the source was last asked, or, before that, when the image was prepared. */
  readonly lastMs: number;
}

export type ImageStep =
  | { readonly kind: "fetch"; readonly source: DeclaredImageSource; readonly fallback?: Fallback }
  | { readonly kind: "import"; readonly user: ImageUser; readonly image: CachedImage }
  /** Asks the source whether it gives another image by now. */
  | { readonly kind: "refresh"; readonly source: DeclaredImageSource }
  /** Nothing to do now; look again at that time, or when something changes. */
  | { readonly kind: "rest"; readonly nextMs?: number };

/** The source that did not answer, and what is used instead. */
export interface Fallback {
  readonly from: DeclaredImageSource;
  readonly to: DeclaredImageSource;
  readonly cause: string;
}

const waitCheckMs = 60_000;

export function decideImage(observation: ImageObservation): ImageStep {
  const { work, users, nowMs } = observation;
  if (work.kind === "problem" || users.length === 0) return { kind: "rest" };
  const lacking = users.filter((user) => user.seen.kind === "absent");
  const lookAgain = users.some((user) => user.seen.kind === "unavailable") ? nowMs + waitCheckMs : undefined;
  if (lacking.length === 0) {
    const refresh = decideRefresh(observation, work);
    return refresh === undefined
      ? rest([lookAgain])
      : refresh.kind === "rest"
        ? rest([lookAgain, refresh.nextMs])
        : refresh;
  }
  if (work.onMissing !== "Import")
    return rest([lookAgain, work.onMissing === "Wait" ? nowMs + waitCheckMs : undefined]);
  const image = fetched(observation);
  if (image === undefined) return decideFetch(observation, work);
  for (const user of lacking) {
    const { importing } = user;
    if (importing.kind === "running") continue;
    const isDue = importing.kind !== "failed" || nextImportMs(importing) <= nowMs;
    if (isDue) return { kind: "import", user, image };
  }
  return rest([
    lookAgain,
    ...lacking.map(({ importing }) => (importing.kind === "failed" ? nextImportMs(importing) : undefined)),
  ]);
}

/** Undefined where nothing is refreshed. */
function decideRefresh(
  { refresh, nowMs }: ImageObservation,
  work: ImageWork,
): Extract<ImageStep, { kind: "refresh" | "rest" }> | undefined {
  const source = refreshedSource(work);
  if (source === undefined || refresh === undefined || refresh.state.kind === "running") return undefined;
  const nextMs = nextRefreshMs(refresh, work);
  return nextMs <= nowMs ? { kind: "refresh", source } : { kind: "rest", nextMs };
}

/** The source in use, where what it gives may change: a checksum pins it, and a build is what it was. */
export function refreshedSource({ sources, refreshMs }: ImageWork): DeclaredImageSource | undefined {
  const [source] = sources;
  if (refreshMs === undefined || source?.kind !== "url" || source.checksum !== undefined) return undefined;
  return source;
}

export function nextRefreshMs({ lastMs, state }: RefreshObservation, { refreshMs = 0 }: ImageWork): number {
  const last = state.kind === "failed" ? Math.max(lastMs, state.failedMs) : lastMs;
  return last + refreshMs;
}

/** The image, once it is in the cache. */
export function fetched({ fetches }: ImageObservation): CachedImage | undefined {
  for (const state of fetches) if (state.kind === "done") return state.result;
  return undefined;
}

/** The source that is being used, was used, or failed last; and what it took the place of. */
export function activeFetch(
  observation: ImageObservation,
): { readonly source: DeclaredImageSource; readonly state: FetchState; readonly fallback?: Fallback } | undefined {
  const { work, fetches } = observation;
  if (work.kind === "problem") return undefined;
  const isActive = (state: FetchState): boolean => state.kind === "running" || state.kind === "done";
  let index = fetches.findIndex(isActive);
  if (index === -1) index = fetches.findLastIndex((state) => state.kind === "failed");
  const source = work.sources[index];
  const state = fetches[index];
  if (source === undefined || state === undefined) return undefined;
  const fallback = fallbackTo(observation, index);
  return { source, state, ...(fallback === undefined ? {} : { fallback }) };
}

function decideFetch(observation: ImageObservation, work: ImageWork): ImageStep {
  const { fetches, nowMs } = observation;
  if (fetches.some((state) => state.kind === "running")) return { kind: "rest" };
  const nexts: (number | undefined)[] = [];
  for (const [index, source] of work.sources.entries()) {
    const state = fetches[index] ?? { kind: "none" };
    const nextMs = state.kind === "failed" ? nextFetchMs(state, work) : undefined;
    nexts.push(nextMs);
    const isDue = state.kind === "none" || (nextMs !== undefined && nextMs <= nowMs);
    if (isDue) {
      const fallback = fallbackTo(observation, index);
      return { kind: "fetch", source, ...(fallback === undefined ? {} : { fallback }) };
    }
    const leadsOn = state.kind === "failed" && failureOf(state.error).code === "Unreachable";
    if (!leadsOn) break;
  }
  return rest(nexts);
}

function fallbackTo({ work, fetches }: ImageObservation, index: number): Fallback | undefined {
  if (work.kind === "problem" || index === 0) return undefined;
  const from = work.sources[index - 1];
  const to = work.sources[index];
  const state = fetches[index - 1];
  if (from === undefined || to === undefined || state?.kind !== "failed") return undefined;
  return { from, to, cause: failureOf(state.error).message };
}

/** When a failed fetch is tried again; undefined: not until the spec changes. */
export function nextFetchMs(state: FetchState & { kind: "failed" }, work: ImageWork): number | undefined {
  if (!failureOf(state.error).isRetryable) return undefined;
  return state.failedMs + (state.failures > work.retries ? slowRetryMs : delayMs(state.failures));
}

export function nextImportMs(state: ImportState & { kind: "failed" }): number {
  return state.failedMs + (failureOf(state.error).isRetryable ? delayMs(state.failures) : slowRetryMs);
}

const slowRetryMs = 600_000;

/** 10 s, 20 s, 40 s, … 10 min. */
function delayMs(failures: number): number {
  return Math.min(10_000 * 2 ** Math.min(failures - 1, 20), slowRetryMs);
}

export interface ImageFailure {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly isRetryable: boolean;
}

const reasonOfImageError = {
  Unreachable: "Unreachable",
  Unauthorized: "Unauthorized",
  NotFound: "ImageNotFound",
  HttpError: "HttpError",
  ChecksumMismatch: "ChecksumMismatch",
  Incomplete: "DownloadIncomplete",
  DiskFull: "DiskFull",
  StorageFailed: "StorageFailed",
  UnknownFormat: "UnknownFormat",
  Unsupported: "Unsupported",
  BuildFailed: "BuildFailed",
} as const satisfies Record<ImageError["code"], string>;

export function failureOf(error: unknown): ImageFailure {
  if (error instanceof ImageError) {
    const { code, message, retryable } = error;
    return { code, reason: reasonOfImageError[code], message, isRetryable: retryable };
  }
  if (isProviderError(error)) {
    return { code: error.code, reason: `Import${error.code}`, message: error.message, isRetryable: error.retryable };
  }
  if (error instanceof MissingCredential) {
    return { code: "SecretNotFound", reason: "SecretNotFound", message: error.message, isRetryable: true };
  }
  if (error instanceof PrepareTimeout) {
    return { code: "Timeout", reason: "Timeout", message: error.message, isRetryable: true };
  }
  return { code: "Internal", reason: "Internal", message: messageOf(error), isRetryable: true };
}

/** The work took longer than spec.prepare.timeout allows. */
export class PrepareTimeout extends Error {
  override readonly name = "PrepareTimeout";
}

function rest(times: readonly (number | undefined)[]): ImageStep {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? { kind: "rest" } : { kind: "rest", nextMs: Math.min(...known) };
}
