// One request and one answer of the API, free of any transport: the server handles these, clients send them, and
// the two can be joined in one process without a socket.

/** Who asks; set by the server's authentication, or by the composition root for in-process callers. */
export interface UserInfo {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What else the credentials say, for example `authentication.kubernetes.io/credential-id`. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute path without the query, for example `/api/v1/namespaces/default/secrets/key`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The whole body; empty when there is none. */
  readonly body: Uint8Array;
  readonly user: UserInfo;
  /** Where the caller is; absent for callers in this process. */
  readonly sourceIp?: string;
  /** Aborted when the caller goes away; ends watches. */
  readonly signal: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Bytes of the whole body, or chunks as they come (watch, logs). */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Sends one request to an API server. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;
