// Moves the bytes of a stream, and ends it in every case: in good order, by the caller, by a failure of either side.

import type { RpcStream, StreamPart, StreamWaitOptions } from "../session/rpc-stream.ts";
import type { OpenedStream } from "./caller.ts";

export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Longest time without progress of the daemon; the connection's default timeout when absent. */
  readonly timeoutMs?: number;
}

/** What libvirt's own client sends at most; the daemon takes larger messages, but no faster. */
export const streamChunkBytes = 256 * 1024;

/** Confirming means that the daemon has written everything to the disk. */
const finishTimeoutMs = 300_000;

/** Yields what arrives. Reading no further stops the daemon; leaving the loop aborts the transfer. */
export function readStream(
  opened: OpenedStream<unknown>,
  options: TransferOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  return readParts(opened, { ...options, next: (wait) => opened.stream.read(wait) });
}

/** As `readStream`, of a stream that was opened as sparse. */
export function readSparseStream(
  opened: OpenedStream<unknown>,
  options: TransferOptions,
): AsyncGenerator<StreamPart, void, undefined> {
  return readParts(opened, { ...options, next: (wait) => opened.stream.readPart(wait) });
}

async function* readParts<T>(
  opened: OpenedStream<unknown>,
  options: TransferOptions & { readonly next: (wait: StreamWaitOptions) => Promise<T | undefined> },
): AsyncGenerator<T, void, undefined> {
  const { stream } = opened;
  let isClean = false;
  try {
    for (;;) {
      const part = await options.next(options);
      if (part === undefined) break;
      yield part;
    }
    await stream.finish({ signal: options.signal, timeoutMs: finishTimeoutMs });
    isClean = true;
  } finally {
    if (!isClean) stream.abort(new Error("The reader left before the end"));
    opened.release(isClean);
  }
}

/** Sends all of `source` and gives the number of bytes. Done only once the daemon has confirmed them. */
export async function writeStream(
  opened: OpenedStream<unknown>,
  source: AsyncIterable<StreamPart>,
  options: TransferOptions & { readonly onProgress?: (sentBytes: number) => void },
): Promise<number> {
  const { stream } = opened;
  const { signal } = options;
  const iterator = source[Symbol.asyncIterator]();
  let isSourceDone = false;
  let isClean = false;
  let sentBytes = 0;
  try {
    let ahead = nextOf(iterator, stream, signal);
    for (;;) {
      const next = await ahead;
      if (next.done === true) break;
      // The source reads on while the daemon takes what was read.
      ahead = nextOf(iterator, stream, signal);
      ahead.catch(() => {});
      sentBytes += await writePart(stream, next.value, options);
      options.onProgress?.(sentBytes);
    }
    isSourceDone = true;
    await stream.finish({ signal, timeoutMs: finishTimeoutMs });
    isClean = true;
    return sentBytes;
  } catch (error) {
    stream.abort(error);
    throw error;
  } finally {
    opened.release(isClean);
    // Not waited for: a source that hangs must not hold the failure back.
    if (!isSourceDone) iterator.return?.().catch(() => {});
  }
}

/** Gives the number of bytes that the part stands for. */
async function writePart(stream: RpcStream, part: StreamPart, options: TransferOptions): Promise<number> {
  if (!(part instanceof Uint8Array)) {
    await stream.writeHole(part.holeBytes, options);
    return part.holeBytes;
  }
  for (let at = 0; at < part.length; at += streamChunkBytes) {
    await stream.write(part.subarray(at, at + streamChunkBytes), options);
  }
  return part.length;
}

/** The next bytes of the source, unless the stream fails or the caller aborts first: a source may hang. */
async function nextOf(
  iterator: AsyncIterator<StreamPart>,
  stream: RpcStream,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<StreamPart, unknown>> {
  signal?.throwIfAborted();
  const next = iterator.next();
  if (signal === undefined) return Promise.race([next, stream.failure]);
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  // Asking the source may itself have led to the abort.
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([next, stream.failure, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
