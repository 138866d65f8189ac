// Requests over HTTP(S) with connections kept alive. Node's own agent: nothing of HTTP/2 is needed, and a watch is only a long answer.

import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { SecureContextOptions } from "node:tls";
import type { ApiResponse } from "@vivarium/api";
import { ConnectionError, connectionError } from "./connection-error.ts";
import type { Cluster } from "./kubeconfig.ts";
import { openSocket } from "./open-socket.ts";
import type { Transport, TransportRequest } from "./transport.ts";

/** Below the usual idle time-out of a server's connections (5 s in Node's), so that we rarely send into a closing one. */
const idleConnectionMs = 4_000;
const tcpKeepAliveMs = 30_000;

export function httpsTransport(cluster: Cluster, options: { readonly timeoutMs?: number } = {}): Transport {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const base = new URL(cluster.server);
  const isTls = base.protocol === "https:";
  const tls = tlsOptions(cluster);
  const agentOptions = { keepAlive: true, keepAliveMsecs: tcpKeepAliveMs, timeout: idleConnectionMs };
  const agent = isTls ? new HttpsAgent({ ...agentOptions, ...tls }) : new HttpAgent(agentOptions);
  const authorization = authorizationOf(cluster);

  async function send(request: TransportRequest): Promise<ApiResponse> {
    const action = `reach the API server at ${cluster.server}`;
    const headersDeadline = new AbortController();
    const timer = setTimeout(() => headersDeadline.abort(), timeoutMs);
    const signals = [headersDeadline.signal, ...(request.signal === undefined ? [] : [request.signal])];
    const signal = AbortSignal.any(signals);
    const toError = (error: unknown): unknown => {
      if (request.signal?.aborted === true) return request.signal.reason;
      if (headersDeadline.signal.aborted) {
        return new ConnectionError("Timeout", `Cannot ${action}: no answer in ${timeoutMs / 1000} s`, { cause: error });
      }
      return error instanceof ConnectionError ? error : connectionError(action, error);
    };
    try {
      const message = await exchangeOnLiveConnection(request, signal);
      if (request.isStream === true) {
        clearTimeout(timer);
        message.socket.setTimeout(0);
      }
      return {
        status: message.statusCode ?? 0,
        headers: headersOf(message),
        body: bodyOf(message, { toError, done: () => clearTimeout(timer) }),
      };
    } catch (error) {
      clearTimeout(timer);
      throw toError(error);
    }
  }

  async function exchangeOnLiveConnection(request: TransportRequest, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await exchange(request, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      // Nothing was answered, and a GET can be asked again.
      if (request.method === "GET") return exchange(request, signal);
      throw error.cause;
    }
  }

  function exchange(request: TransportRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options: RequestOptions = {
        method: request.method,
        agent,
        signal,
        headers: {
          ...request.headers,
          ...(authorization === undefined ? {} : { authorization }),
          ...(request.method === "GET" ? {} : { "content-length": request.body.length }),
        },
      };
      const url = urlOf(base, request.path, request.query);
      const outgoing = isTls ? httpsRequest(url, options, resolve) : httpRequest(url, options, resolve);
      outgoing.on("error", (error) => {
        const isStale = outgoing.reusedSocket && "code" in error && error.code === "ECONNRESET";
        reject(isStale ? new StaleConnection("closed by the server", { cause: error }) : error);
      });
      outgoing.end(request.body);
    });
  }

  return {
    send,
    openSocket: (path, query, { signal }) =>
      openSocket(urlOf(base, path, query), {
        ...(isTls ? { tls } : {}),
        ...(authorization === undefined ? {} : { authorization }),
        ...(signal === undefined ? {} : { signal }),
        timeoutMs,
      }),
    async close() {
      agent.destroy();
    },
  };
}

/** A kept connection that the server closed while we wrote. */
class StaleConnection extends Error {}

type TlsOptions = SecureContextOptions & { rejectUnauthorized: boolean; servername?: string };

function tlsOptions(cluster: Cluster): TlsOptions {
  return {
    rejectUnauthorized: !cluster.isTlsUnverified,
    ...(cluster.ca === undefined ? {} : { ca: cluster.ca }),
    ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
    ...cluster.clientCertificate,
  };
}

function authorizationOf(cluster: Cluster): string | undefined {
  if (cluster.token !== undefined) return `Bearer ${cluster.token}`;
  if (cluster.basicAuth === undefined) return undefined;
  const { username, password } = cluster.basicAuth;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Keeps a path in the server's address (`https://host/clusters/a`) in front. */
function urlOf(base: URL, path: string, query: URLSearchParams): URL {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, "")}${path}`;
  url.search = query.toString();
  return url;
}

function headersOf(message: IncomingMessage): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    if (values !== undefined) headers[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return headers;
}

async function* bodyOf(
  message: IncomingMessage,
  { toError, done }: { readonly toError: (error: unknown) => unknown; readonly done: () => void },
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of message) yield chunk as Uint8Array;
  } catch (error) {
    throw toError(error);
  } finally {
    done();
  }
}
