// The same request, taken for somebody else's.

import type { ApiRequest, UserInfo } from "@vivarium/api";

/** Written out: the signal of a request from the network is a getter of its class, which a spread would leave out. */
export function requestBy(user: UserInfo, request: Omit<ApiRequest, "user">): ApiRequest {
  const { method, path, query, headers, body, sourceIp } = request;
  return {
    method,
    path,
    query,
    headers,
    body,
    user,
    get signal() {
      return request.signal;
    },
    ...(sourceIp !== undefined && { sourceIp }),
  };
}
