// Downloads an image into a file, resuming what an earlier attempt, or an earlier process, left.
//
//     attempt → whole file → done
//        │ ended early, connection lost, 5xx
//        └→ wait, then ask for the rest (Range, If-Range) … until attempts without any progress run out

import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { isDiskFull, requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { readPartial, removePartial, writePartialRecord } from "./download-record.ts";
import type { PartialDownload } from "./download-record.ts";
import { failureText, HttpStatusError, requestImage, safeUrl } from "./http-source.ts";
import type { ImageFetch, ImageResponse } from "./http-source.ts";
import { ImageError } from "./image-source.ts";
import type { UrlSource } from "./image-source.ts";
import { formatBytes, ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";

export interface ImageClock {
  nowMs(): number;
  delay(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

export interface DownloadContext {
  readonly fetch: ImageFetch;
  readonly clock: ImageClock;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly report: ProgressListener;
  /** Between attempts; their number is also how often attempts may fail in a row without getting further. */
  readonly retryDelaysMs: readonly number[];
  /** An attempt that gives no byte for so long has failed. */
  readonly idleTimeoutMs: number;
}

const maxRetryAfterMs = 60_000;

/** Resolves once the whole file is at `partial.path`. What is there when it throws is kept for the next time, except where said. */
export async function download(source: UrlSource, partial: PartialDownload, context: DownloadContext): Promise<void> {
  const meter = new ProgressMeter("Downloading", {
    message: "connecting",
    report: context.report,
    nowMs: () => context.clock.nowMs(),
  });
  // A server that starts over each time and always breaks at the same byte makes no progress.
  let mostBytes = 0;
  for (let failures = 0; ;) {
    const outcome = await attempt(source, partial, { ...context, meter });
    if (outcome.kind === "complete") return;
    failures = outcome.haveBytes > mostBytes ? 1 : failures + 1;
    mostBytes = Math.max(mostBytes, outcome.haveBytes);
    // A host that never answered is tried once more only: who asked may have another source, or tries again later.
    const isSilent = outcome.error.code === "Unreachable" && outcome.haveBytes === 0;
    const delayMs = isSilent && failures > 1 ? undefined : context.retryDelaysMs[failures - 1];
    if (delayMs === undefined) throw outcome.error;
    const waitMs = Math.min(Math.max(delayMs, outcome.retryAfterMs ?? 0), maxRetryAfterMs);
    meter.say(`${outcome.error.message}; trying again in ${Math.ceil(waitMs / 1000)} s`, {
      transferredBytes: outcome.haveBytes,
      totalBytes: outcome.totalBytes,
    });
    await context.clock.delay(waitMs, { signal: context.signal });
  }
}

type Attempt =
  | { readonly kind: "complete" }
  | {
      readonly kind: "failed";
      readonly error: ImageError;
      readonly haveBytes: number;
      readonly totalBytes: number;
      readonly retryAfterMs?: number;
    };

type AttemptContext = DownloadContext & { readonly meter: ProgressMeter };

async function attempt(source: UrlSource, partial: PartialDownload, context: AttemptContext): Promise<Attempt> {
  const previous = await readPartial(partial, source.url);
  // Without a validator, the rest may be that of another file: only a checksum would tell.
  const canResume =
    previous !== undefined && (previous.record.validator !== undefined || source.checksum !== undefined);
  const have = canResume ? previous.sizeBytes : 0;
  const validator = previous?.record.validator;
  // An earlier process had it all, and ended before the image was made of it.
  if (have > 0 && have === previous?.record.totalBytes) return { kind: "complete" };
  const idle = idleSignal(context);
  try {
    const response = await requestImage(context.fetch, {
      url: source.url,
      headers: {
        ...source.headers,
        "accept-encoding": "identity",
        "user-agent": "vivarium",
        ...(have > 0 && { range: `bytes=${have}-`, ...(validator !== undefined && { "if-range": validator }) }),
      },
      ...(source.clientCertificate !== undefined && { clientCertificate: source.clientCertificate }),
      signal: idle.signal,
    });
    return await receive(response, { source, partial, have, context, idle });
  } catch (error) {
    context.signal.throwIfAborted();
    const failure = idle.signal.aborted ? idleError(source, context.idleTimeoutMs) : error;
    if (!isWorthRetrying(failure)) throw failure;
    const { retryAfterMs } = failure as HttpStatusError;
    return {
      kind: "failed",
      error: failure,
      haveBytes: have,
      totalBytes: previous?.record.totalBytes ?? 0,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  } finally {
    idle.stop();
  }
}

function isWorthRetrying(error: unknown): error is ImageError {
  if (error instanceof HttpStatusError) return error.status >= 500 || error.status === 429 || error.status === 408;
  return error instanceof ImageError && error.code === "Unreachable";
}

interface Reception {
  readonly source: UrlSource;
  readonly partial: PartialDownload;
  readonly have: number;
  readonly context: AttemptContext;
  readonly idle: IdleSignal;
}

async function receive(response: ImageResponse, reception: Reception): Promise<Attempt> {
  const { source, partial, have, context, idle } = reception;
  const range = contentRange(response);
  if (response.status === 304) {
    // Nothing was asked that could have this answer.
    throw new ImageError("HttpError", `Cannot download ${safeUrl(source.url)}: server answered 304, expected 200`);
  }
  if (response.status === 416) {
    await response.body?.cancel();
    if (range?.total === have) return { kind: "complete" };
    await removePartial(partial); // it is not the start of what the server has now
    return failed(reception, { total: range?.total ?? 0, why: "the file changed" });
  }
  const from = response.status === 206 && range?.start === have ? have : 0;
  if (response.status === 206 && range?.start !== have) {
    await response.body?.cancel();
    throw new ImageError(
      "HttpError",
      `Cannot download ${safeUrl(source.url)}: server sent another range than bytes ${have}-`,
    );
  }
  const total = response.status === 206 ? (range?.total ?? 0) : contentLength(response);
  await requireSpace(`download ${safeUrl(source.url)}`, Math.max(0, total - from), context.space);
  const validator = strongValidator(response);
  await writePartialRecord(partial, {
    url: source.url,
    totalBytes: total,
    ...(validator !== undefined && { validator }),
  });

  const message = from > 0 ? `resuming at ${formatBytes(from)}` : "downloading";
  context.meter.say(message, { transferredBytes: from, totalBytes: total });
  const file = await open(partial.path, from > 0 ? "r+" : "w", 0o644);
  let done = from;
  try {
    for await (const chunk of response.body ?? []) {
      idle.touch();
      context.signal.throwIfAborted();
      await writeFully(file, chunk, done);
      done += chunk.length;
      context.meter.update(done, total);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    if (isDiskFull(error)) throw await diskFull(reception, { done, error });
    if ((error as NodeJS.ErrnoException).syscall === "write") throw error;
    const why = idle.signal.aborted ? idleText(context.idleTimeoutMs) : failureText(error);
    return failed(reception, { have: done, total, why });
  } finally {
    await file.close();
  }
  if (total > 0 && done !== total) {
    return failed(reception, { have: done, total, why: "the server ended it early" });
  }
  return { kind: "complete" };
}

function failed(
  { source, have }: Reception,
  what: { readonly have?: number; readonly total: number; readonly why: string },
): Attempt {
  const haveBytes = what.have ?? have;
  const expected = what.total > 0 ? `, expected ${what.total}` : "";
  return {
    kind: "failed",
    error: new ImageError(
      "Incomplete",
      `Cannot download ${safeUrl(source.url)}: ${what.why} after ${haveBytes} bytes${expected}`,
    ),
    haveBytes,
    totalBytes: what.total,
  };
}

async function diskFull(
  { partial, source, context }: Reception,
  { done, error }: { done: number; error: unknown },
): Promise<ImageError> {
  await removePartial(partial); // running guests need the room more than a resumed download does
  return new ImageError(
    "DiskFull",
    `Cannot download ${safeUrl(source.url)}: no space left in ${context.space.directory} after ${formatBytes(done)}; ` +
      "the partial download was removed",
    { cause: error },
  );
}

async function writeFully(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await file.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

interface ContentRange {
  readonly start?: number;
  readonly total?: number;
}

/** `bytes 100-199/200`, and with 416 `bytes *\/200`. RFC 9110, 14.4 */
function contentRange(response: ImageResponse): ContentRange | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (match === null) return undefined;
  const [, start, total] = match;
  return {
    ...(start !== undefined && { start: Number(start) }),
    ...(total !== undefined && total !== "*" && { total: Number(total) }),
  };
}

/** 0 when not known: the length of an encoded body is not that of the file. */
function contentLength(response: ImageResponse): number {
  if ((response.headers.get("content-encoding") ?? "identity") !== "identity") return 0;
  return Number(response.headers.get("content-length") ?? 0);
}

/** If-Range takes strong validators only. RFC 9110, 13.1.5 */
export function strongValidator(response: ImageResponse): string | undefined {
  const etag = response.headers.get("etag");
  if (etag !== null && !etag.startsWith("W/")) return etag;
  return response.headers.get("last-modified") ?? undefined;
}

interface IdleSignal {
  readonly signal: AbortSignal;
  touch(): void;
  stop(): void;
}

/** Aborts with the caller, or when nothing has come for too long. */
function idleSignal({ signal, idleTimeoutMs }: DownloadContext): IdleSignal {
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error(idleText(idleTimeoutMs))), idleTimeoutMs);
  const onAbort = (): void => idle.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  return {
    signal: idle.signal,
    touch: () => void timer.refresh(),
    stop: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}

function idleText(idleTimeoutMs: number): string {
  return `nothing came for ${idleTimeoutMs / 1000} s`;
}

function idleError(source: UrlSource, idleTimeoutMs: number): ImageError {
  return new ImageError("Unreachable", `Cannot download ${safeUrl(source.url)}: ${idleText(idleTimeoutMs)}`);
}
