// Dials a libvirt daemon on this machine.

import { connect } from "node:net";
import { connectSocket } from "./connect-socket.ts";
import type { Dialer } from "./dialer.ts";

const hints = {
  ENOENT: "there is no such socket: is libvirtd (or virtproxyd) installed and started?",
  ECONNREFUSED: "nothing listens there: is libvirtd (or virtproxyd) running?",
  EACCES: "this user may not: is the user in the group libvirt?",
};

export function unixDialer(path: string): Dialer {
  return {
    address: `unix:${path}`,
    isPrivate: true,
    dial: ({ signal }) => connectSocket(() => connect({ path }), { event: "connect", signal, address: path, hints }),
  };
}
