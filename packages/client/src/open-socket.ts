// One WebSocket as a stream of bytes with back-pressure in both directions.

import type { SecureContextOptions } from "node:tls";
import { StatusError } from "@vivarium/api";
import type { Status } from "@vivarium/api";
import { createWebSocketStream, WebSocket } from "ws";
import { ConnectionError, connectionError } from "./connection-error.ts";
import type { ByteStream } from "./transport.ts";

export async function openSocket(
  url: URL,
  options: {
    readonly tls?: SecureContextOptions & { readonly rejectUnauthorized: boolean; readonly servername?: string };
    readonly authorization?: string;
    readonly signal?: AbortSignal;
    readonly timeoutMs: number;
  },
): Promise<ByteStream> {
  const { signal } = options;
  signal?.throwIfAborted();
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const action = `open ${url.pathname} at ${url.origin}`;
  const socket = new WebSocket(address, {
    ...options.tls,
    handshakeTimeout: options.timeoutMs,
    headers: options.authorization === undefined ? {} : { authorization: options.authorization },
  });
  const onAbort = (): void => socket.terminate();
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.on("close", () => signal?.removeEventListener("abort", onAbort));
  // Made before the handshake ends, so that no early message is lost.
  const stream = createWebSocketStream(socket);
  stream.on("error", () => {});
  try {
    await opened(socket);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof StatusError ? error : connectionError(action, error);
  }
  return {
    output: bytesOf(stream, action),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => {
          if (error === null || error === undefined) resolve();
          else reject(new ConnectionError("Broken", `Cannot write: ${error.message}`, { cause: error }));
        });
      }),
    async close() {
      stream.destroy();
      socket.close();
    },
  };
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
    // The server refused the upgrade with an ordinary answer: a Status that says why.
    socket.once("unexpected-response", (request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        request.destroy();
        reject(refusal(response.statusCode ?? 500, Buffer.concat(chunks).toString("utf8")));
      });
    });
  });
}

function refusal(code: number, body: string): StatusError {
  try {
    const status = JSON.parse(body) as Partial<Status>;
    if (status.kind === "Status") return StatusError.fromStatus({ ...status, code });
  } catch {
    // Not a Status: the code is all there is.
  }
  return StatusError.fromStatus({ code, message: `The server refused the connection with HTTP ${code}` });
}

async function* bytesOf(stream: AsyncIterable<Uint8Array>, action: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw connectionError(action, error);
  }
}
