// A WebSocket as a stream of bytes. Messages of either type are bytes; their borders mean nothing.

import type { WebSocket } from "ws";
import type { ByteStream } from "../subresources.ts";

/** Above this much unsent output, writers wait. */
const highWaterBytes = 256 * 1024;
/** Above this much unread input, the socket is paused. */
const maxQueuedBytes = 256 * 1024;

export function toByteStream(socket: WebSocket): ByteStream {
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let isEnded = false;
  let wake: () => void = () => undefined;
  socket.on("message", (data) => {
    const bytes = toBytes(data);
    queue.push(bytes);
    queuedBytes += bytes.length;
    if (queuedBytes > maxQueuedBytes) socket.pause();
    wake();
  });
  const end = (): void => {
    isEnded = true;
    wake();
  };
  socket.on("close", end);
  socket.on("error", end);

  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = queue.shift();
      if (bytes !== undefined) {
        queuedBytes -= bytes.length;
        if (queuedBytes <= maxQueuedBytes && socket.isPaused) socket.resume();
        yield bytes;
      } else if (isEnded) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }

  return {
    output: read(),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        const isFull = socket.bufferedAmount > highWaterBytes;
        socket.send(bytes, { binary: true }, (error) => {
          if (error !== undefined && error !== null) reject(error);
          else if (isFull) resolve();
        });
        if (!isFull) resolve();
      }),
    close: async () => socket.close(1000),
  };
}

function toBytes(data: Buffer | ArrayBuffer | Buffer[]): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
