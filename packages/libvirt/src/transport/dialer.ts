// How a byte stream to a daemon is made. A unix socket is one way; TLS, TCP and SSH fit the same shape.

import type { Duplex } from "node:stream";

export interface Dialer {
  /** Where it leads, for messages and logs. */
  readonly address: string;
  /** Gives a connected stream, or throws LibvirtConnectionError (or the signal's reason). */
  dial(options: { readonly signal: AbortSignal }): Promise<Duplex>;
}
