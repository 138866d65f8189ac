// Sends an answer: whole bodies in one write with their length, streams chunk by chunk as fast as the client reads them. A client that
// stops reading holds one chunk, and not for ever.

import type { ServerResponse } from "node:http";
import type { ApiResponse } from "@vivarium/api";

/** `stallMs`: how long a client may leave what was sent unread. */
export async function sendResponse(
  outgoing: ServerResponse,
  response: ApiResponse,
  { stallMs }: { readonly stallMs: number },
): Promise<void> {
  const { status, headers, body } = response;
  if (body instanceof Uint8Array) {
    const length = status === 304 ? undefined : { "content-length": body.length };
    outgoing.writeHead(status, { ...copy(headers), ...length });
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(status, copy(headers));
  // A watch may have nothing to say for long: the client learns now that it stands.
  outgoing.flushHeaders();
  for await (const chunk of body) {
    if (outgoing.destroyed) break;
    if (!outgoing.write(chunk)) await drained(outgoing, stallMs);
  }
  outgoing.end();
}

function copy(headers: ApiResponse["headers"]): Record<string, string | string[]> {
  const copied: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) copied[name] = typeof value === "string" ? value : [...value];
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
