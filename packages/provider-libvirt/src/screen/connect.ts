// Connects to the VNC server of a running domain of this machine.

import { connect, type Socket } from "node:net";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleStream, ProviderErrorCode } from "@vivarium/provider";
import type { ScreenListener } from "./devices.ts";

/** Ends when either side ends or the signal aborts. `name`: of the VM, for messages. */
export async function connectTo(
  listener: ScreenListener,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
): Promise<ConsoleStream> {
  const socket = connect(
    listener.kind === "socket" ? { path: listener.path } : { host: listener.host, port: listener.port },
  );
  const leave = (): void => void socket.destroy();
  signal.addEventListener("abort", leave, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", leave));
  try {
    await connected(socket);
  } catch (error) {
    signal.throwIfAborted();
    throw refusal(error as NodeJS.ErrnoException, name);
  }
  return {
    output: chunksOf(socket),
    write: (bytes) => written(socket, bytes, name),
    close: () => Promise.resolve(leave()),
  };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("close", () => reject(new Error("the connection was closed")));
    // Kept: a connection that breaks later ends its output.
    socket.on("error", reject);
  });
}

function refusal(error: NodeJS.ErrnoException, name: string): ProviderError {
  const isDenied = error.code === "EACCES" || error.code === "EPERM";
  const code: ProviderErrorCode = isDenied ? "Unauthorized" : "Unavailable";
  const why = isDenied
    ? "the server's user may not use QEMU's socket; power the VM off and on again, so that the screen listens where this user reaches it"
    : error.message;
  return new ProviderError(code, `Cannot open the screen of VM "${name}": ${why}`, { cause: error });
}

/** Whatever breaks the connection, QEMU's end above all, is its end. */
async function* chunksOf(socket: Socket): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of socket) yield chunk as Uint8Array;
  } catch (error) {
    if (!socket.destroyed) throw error;
  }
}

function written(socket: Socket, bytes: Uint8Array, name: string): Promise<void> {
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
