// How a byte stream to a daemon is made: a unix socket, TCP, TLS, or a program such as ssh that gives one.

import type { Duplex } from "node:stream";

export interface Dialer {
  /** Where it leads, for messages and logs. */
  readonly address: string;
  /** Whether nobody on the way can read along, so that a password may be sent. */
  readonly isPrivate: boolean;
  /** Gives a connected stream, or throws LibvirtConnectionError (or the signal's reason). */
  dial(options: { readonly signal: AbortSignal }): Promise<Duplex>;
}
