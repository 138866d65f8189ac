// Joins client and server in one process without a socket: the same handler, the same bytes, no TLS and no copy.

import type { ApiHandler, ApiResponse, UserInfo } from "@vivarium/api";
import type { Transport } from "./transport.ts";

const never = new AbortController().signal;

export function inProcessTransport(handler: ApiHandler, user: UserInfo): Transport {
  return {
    async send(request): Promise<ApiResponse> {
      request.signal?.throwIfAborted();
      return handler({
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers,
        body: request.body,
        user,
        signal: request.signal ?? never,
      });
    },
    async close() {},
  };
}
