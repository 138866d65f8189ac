// Sends an answer: whole bodies in one write with their length, streams chunk by chunk as fast as the client reads them. A client that
// stops reading holds one chunk, and not for ever.

import type { ServerResponse } from "node:http";
import type { ApiResponse } from "@vivarium/api";
import { isShared } from "../output/shared-bytes.ts";

/** `stallMs`: how long a client may leave what was sent unread. */
export async function sendResponse(
  outgoing: ServerResponse,
  response: ApiResponse,
  { stallMs }: { readonly stallMs: number },
): Promise<void> {
  const { status, headers, body } = response;
  const sent = copy(headers);
  if (body instanceof Uint8Array) {
    if (status !== 304) sent["content-length"] = body.length;
    outgoing.writeHead(status, sent);
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(status, sent);
  // A watch may have nothing to say for long: the client learns now that it stands.
  outgoing.flushHeaders();
  // HTTP/1.0 has no chunks: there the end of the connection is the end of the answer.
  const isChunked = outgoing.chunkedEncoding;
  for await (const chunk of body) {
    if (outgoing.destroyed) break;
    const isFramed = isChunked && isShared(chunk);
    outgoing.chunkedEncoding = isChunked && !isFramed;
    if (!outgoing.write(isFramed ? frameOf(chunk) : chunk)) await drained(outgoing, stallMs);
  }
  outgoing.chunkedEncoding = isChunked;
  outgoing.end();
}

const endOfFrame = Buffer.from("\r\n");
const frames = new WeakMap<Uint8Array, Buffer>();

/** The chunk as HTTP/1.1 frames it. Node would do it for each client, in four writes. */
function frameOf(chunk: Uint8Array): Buffer {
  const known = frames.get(chunk);
  if (known !== undefined) return known;
  const frame = Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, endOfFrame]);
  frames.set(chunk, frame);
  return frame;
}

function copy(headers: ApiResponse["headers"]): Record<string, string | string[] | number> {
  const copied: Record<string, string | string[] | number> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) copied[name] = typeof value === "string" ? value : [...value];
  }
  return copied;
}

/** Settles when more may be sent, or when the client is gone. */
function drained(outgoing: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => outgoing.destroy(), stallMs).unref();
    const done = (): void => {
      clearTimeout(stalled);
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
    if (outgoing.destroyed) done();
  });
}
