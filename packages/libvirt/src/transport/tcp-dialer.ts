// Dials a daemon over TCP, in the clear: for networks that are private by other means.

import { connect } from "node:net";
import { connectSocket } from "./connect-socket.ts";
import type { Dialer } from "./dialer.ts";

export const tcpHints = {
  ECONNREFUSED:
    "nothing listens there: is libvirtd started with --listen, or virtproxyd-tcp.socket or -tls.socket active?",
  ENOTFOUND: "the host name is not known",
  EHOSTUNREACH: "there is no way to the host",
  ETIMEDOUT: "the host does not answer",
};

export function tcpDialer(host: string, port = 16_509): Dialer {
  const address = `tcp:${host}:${port}`;
  return {
    address,
    isPrivate: false,
    async dial({ signal }) {
      const socket = await connectSocket(() => connect({ host, port }), {
        event: "connect",
        signal,
        address,
        hints: tcpHints,
      });
      socket.setNoDelay(true);
      return socket;
    },
  };
}
