// Dials a libvirt daemon on this machine.

import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import type { Dialer } from "./dialer.ts";

const hints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket: is libvirtd (or virtproxyd) installed and started?",
  ECONNREFUSED: "nothing listens there: is libvirtd (or virtproxyd) running?",
  EACCES: "this user may not: is the user in the group libvirt?",
};

export function unixDialer(path: string): Dialer {
  return { address: `unix:${path}`, dial: ({ signal }) => dialUnix(path, signal) };
}

function dialUnix(path: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ path });
    const settle = (): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("error", onError);
      socket.removeListener("connect", onConnect);
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
      const hint = hints[error.code ?? ""] ?? error.message;
      reject(new LibvirtConnectionError(`Cannot connect to libvirt at ${path}: ${hint}`, { cause: error }));
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", onConnect);
  });
}
