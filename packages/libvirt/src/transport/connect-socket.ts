// Waits for a socket to connect, to fail, or for the caller to give up; whichever comes first.

import type { Socket } from "node:net";
import { LibvirtConnectionError } from "../errors/connection-error.ts";

export interface ConnectSocketOptions {
  /** The event that says that it is connected: `connect`, or `secureConnect` of TLS. */
  readonly event: "connect" | "secureConnect";
  readonly signal: AbortSignal;
  readonly address: string;
  /** What a code of an error means to who reads it. */
  readonly hints: Readonly<Record<string, string>>;
}

export function connectSocket<S extends Socket>(open: () => S, options: ConnectSocketOptions): Promise<S> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = open();
    const settle = (): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("error", onError);
      socket.removeListener(options.event, onConnect);
    };
    const onAbort = (): void => {
      settle();
      // A late error of a socket that nobody wants any more.
      socket.on("error", () => {});
      socket.destroy();
      reject(signal.reason as Error);
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      const hint = options.hints[error.code ?? ""] ?? error.message;
      reject(new LibvirtConnectionError(`Cannot connect to libvirt at ${options.address}: ${hint}`, { cause: error }));
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once(options.event, onConnect);
  });
}
