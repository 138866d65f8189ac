// Connects to the VNC server of a running domain: on this machine, or through SSH on another one.

import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Dialer } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleStream } from "@vivarium/provider";
import type { ScreenListener } from "./devices.ts";

interface ConnectOptions {
  /** Of the VM, for messages. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Of this machine. Ends when either side ends or the signal aborts. */
export async function connectTo(listener: ScreenListener, options: ConnectOptions): Promise<ConsoleStream> {
  const socket = connect(
    listener.kind === "socket" ? { path: listener.path } : { host: listener.host, port: listener.port },
  );
  const stream = streamOf(socket, options);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed")));
    });
  } catch (error) {
    options.signal.throwIfAborted();
    throw refusal(error as NodeJS.ErrnoException, options.name);
  }
  return stream;
}

/** Of another machine. What is wrong there shows only when the server does not speak. */
export async function connectThrough(dialer: Dialer, options: ConnectOptions): Promise<ConsoleStream> {
  return streamOf(await dialer.dial({ signal: options.signal }), options);
}

function streamOf(socket: Duplex, { name, signal }: ConnectOptions): ConsoleStream {
  const leave = (): void => void socket.destroy();
  signal.addEventListener("abort", leave, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", leave));
  // Whoever reads is told.
  socket.on("error", () => undefined);
  return {
    output: chunksOf(socket, { name, isLeft: () => signal.aborted }),
    write: (bytes) => written(socket, bytes, name),
    close: () => Promise.resolve(leave()),
  };
}

function refusal(error: NodeJS.ErrnoException, name: string): ProviderError {
  const isDenied = error.code === "EACCES" || error.code === "EPERM";
  const why = isDenied
    ? "the server's user may not use QEMU's socket; power the VM off and on again, so that the screen listens where this user reaches it"
    : error.message;
  const message = `Cannot open the screen of VM "${name}": ${why}`;
  return new ProviderError(isDenied ? "Unauthorized" : "Unavailable", message, { cause: error });
}

async function* chunksOf(
  socket: Duplex,
  { name, isLeft }: { readonly name: string; readonly isLeft: () => boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of socket) yield chunk as Uint8Array;
  } catch (error) {
    if (isLeft() || isEnd(error)) return;
    throw refusal(error as NodeJS.ErrnoException, name);
  }
}

/** QEMU that is gone, or the caller who closed. */
function isEnd(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET" || code === "EPIPE";
}

function written(socket: Duplex, bytes: Uint8Array, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else {
        const message = `Cannot write to the screen of VM "${name}": it has ended`;
        reject(new ProviderError("Conflict", message, { cause: error }));
      }
    });
  });
}
