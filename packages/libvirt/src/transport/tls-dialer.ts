// Dials a daemon over TLS. Both sides show certificates; after the handshake the daemon says with one byte that it takes ours.
// https://libvirt.org/kbase/tlscerts.html

import { readFile } from "node:fs/promises";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import { connectSocket } from "./connect-socket.ts";
import type { Dialer } from "./dialer.ts";
import { tcpHints } from "./tcp-dialer.ts";

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface TlsDialerOptions {
  readonly port?: number;
  /** Paths of PEM files, read again for every connection. */
  readonly files: TlsFiles;
  /** Takes any certificate of the daemon. Only for who has said so. */
  readonly isUnverified?: boolean;
}

const accepted = 1;
const hints = {
  ...tcpHints,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not of the CA that we trust",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not of the CA that we trust",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not of the CA that we trust",
  CERT_HAS_EXPIRED: "its certificate has expired",
};

export function tlsDialer(host: string, options: TlsDialerOptions): Dialer {
  const { port = 16_514, files } = options;
  const address = `tls:${host}:${port}`;
  return {
    address,
    isPrivate: true,
    async dial({ signal }) {
      const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
      const socket = await connectSocket(
        () => connect({ host, port, ca, cert, key, rejectUnauthorized: options.isUnverified !== true }),
        { event: "secureConnect", signal, address, hints },
      );
      socket.setNoDelay(true);
      writeApart(socket);
      await acceptance(socket, { address, signal });
      return socket;
    },
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new LibvirtConnectionError(`Cannot connect to libvirt over TLS: cannot read ${path}`, { cause: error });
  }
}

/**
 * Keeps what waits to be written from being joined into one TLS record. A libvirtd that takes one message out of a record and
 * then polls the socket does not see what else the record held, and sleeps until more bytes come: seen with 9.0.0, which so
 * lost 5 s, until its next keepalive ping. Without `_writev`, Node writes one chunk at a time.
 */
function writeApart(socket: TLSSocket): void {
  Object.defineProperty(socket, "_writev", { value: null });
}

/** Reads the daemon's first byte; with it still there, what comes next would be taken for a message. */
function acceptance(
  socket: TLSSocket,
  { address, signal }: { readonly address: string; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      socket.removeListener("data", onData);
      socket.removeListener("error", onEnd);
      socket.removeListener("end", onEnd);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown): void => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    const onEnd = (error?: Error): void =>
      fail(
        new LibvirtConnectionError(
          `Cannot connect to libvirt at ${address}: it does not take our certificate`,
          error === undefined ? undefined : { cause: error },
        ),
      );
    const onData = (chunk: Buffer): void => {
      if (chunk[0] !== accepted) {
        onEnd();
        return;
      }
      // The session reads on.
      socket.pause();
      settle();
      if (chunk.length > 1) socket.unshift(chunk.subarray(1));
      resolve();
    };
    socket.on("data", onData);
    socket.once("error", onEnd);
    socket.once("end", onEnd);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
