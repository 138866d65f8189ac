// How requests travel. The client above knows only this; below stand an HTTPS connection and the server's own handler.

import type { ApiRequest, ApiResponse } from "@vivarium/api";

/** A request without its user: the transport (or the server's authentication) knows who asks. */
export interface TransportRequest {
  readonly method: ApiRequest["method"];
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal?: AbortSignal;
  /** The answer's body goes on for long (watch, log): the deadline is for its headers only. */
  readonly isStream?: boolean;
}

/** Bytes both ways, for example a serial console. */
export interface ByteStream {
  /** Ends when the other side ends; throws ConnectionError when the connection breaks. */
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface Transport {
  /** Throws ConnectionError when no answer came; an answer with an error status is an answer. */
  send(request: TransportRequest): Promise<ApiResponse>;
  /** Opens a WebSocket; absent where there is no socket at all. */
  openSocket?(path: string, query: URLSearchParams, options: { readonly signal?: AbortSignal }): Promise<ByteStream>;
  close(): Promise<void>;
}
