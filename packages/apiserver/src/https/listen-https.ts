// The server on the network: HTTPS for requests and watches, WebSockets for connect subresources. Who asks is decided by `authenticate`;
// without an answer from it nothing is served.

import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { once } from "node:events";
import { StatusError, type ApiRequest, type ApiResponse, type UserInfo } from "@vivarium/api";
import { WebSocketServer } from "ws";
import type { Credentials } from "../authentication/authenticator.ts";
import type { ApiServer } from "../create-api-server.ts";
import { methodNotAllowed } from "../errors.ts";
import { respondError } from "../output/respond.ts";
import { certificateOf } from "./client-certificate.ts";
import { readBody } from "./read-body.ts";
import { toByteStream } from "./socket-stream.ts";

export interface HttpsOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** Signs client certificates; without it none is asked for. */
  readonly ca?: string | Buffer;
  /** Undefined: the request is refused with 401. Absent: the server's own authentication. */
  authenticate?(credentials: Credentials): UserInfo | undefined | Promise<UserInfo | undefined>;
}

export interface HttpsListener {
  readonly host: string;
  readonly port: number;
  /** Stops listening and ends open connections. Close the ApiServer first, so that watches end cleanly. */
  close(): Promise<void>;
}

const methods: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);
const maxSocketPayloadBytes = 1024 * 1024;

export async function listenHttps(server: ApiServer, options: HttpsOptions): Promise<HttpsListener> {
  const { host, port, key, cert, ca } = options;
  const https = createServer({
    key,
    cert,
    minVersion: "TLSv1.3",
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: false }),
    keepAliveTimeout: 90_000,
    headersTimeout: 30_000,
    requestTimeout: 120_000,
    maxHeaderSize: 32 * 1024,
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxSocketPayloadBytes });
  https.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    void serve(server, options, { incoming, outgoing });
  });
  https.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    void upgrade(server, options, { incoming, socket, head, sockets });
  });
  https.listen(port, host);
  await once(https, "listening");
  const address = https.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    async close() {
      const closed = once(https, "close");
      https.close();
      for (const client of sockets.clients) client.close(1001, "the server is closing");
      https.closeIdleConnections();
      // Streams that their readers do not drain would hold the server for ever.
      const force = setTimeout(() => {
        https.closeAllConnections();
        for (const client of sockets.clients) client.terminate();
      }, 2000);
      await closed;
      clearTimeout(force);
    },
  };
}

async function serve(
  server: ApiServer,
  options: HttpsOptions,
  { incoming, outgoing }: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  outgoing.on("error", () => gone.abort());
  try {
    const response = await answer(server, options, { incoming, signal: gone.signal });
    await send(outgoing, response, gone.signal);
  } catch {
    // The answer itself failed half-way: all that is left is to end it, so that the client does not wait.
    outgoing.destroy();
  }
}

async function answer(
  server: ApiServer,
  options: HttpsOptions,
  { incoming, signal }: { readonly incoming: IncomingMessage; readonly signal: AbortSignal },
): Promise<ApiResponse> {
  try {
    const request = toRequest(incoming, signal);
    const user = await authenticated(server, options, incoming);
    if (user === undefined) throw server.unauthenticated(request);
    return await server.handle({ ...request, user, body: await readBody(incoming) });
  } catch (error) {
    if (error instanceof StatusError) return respondError(error);
    throw error;
  }
}

async function authenticated(
  server: ApiServer,
  options: HttpsOptions,
  incoming: IncomingMessage,
): Promise<UserInfo | undefined> {
  const certificate = options.ca === undefined ? undefined : certificateOf(incoming.socket as TLSSocket);
  const credentials = { headers: headersOf(incoming), ...(certificate !== undefined && { certificate }) };
  return options.authenticate === undefined ? server.authenticate(credentials) : options.authenticate(credentials);
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Omit<ApiRequest, "user"> {
  const method = incoming.method ?? "GET";
  if (!methods.has(method)) throw methodNotAllowed();
  const sourceIp = incoming.socket.remoteAddress;
  const [path = "/", ...query] = (incoming.url ?? "/").split("?");
  return {
    method: method as ApiRequest["method"],
    path,
    query: new URLSearchParams(query.join("?")),
    headers: headersOf(incoming),
    body: new Uint8Array(),
    signal,
    ...(sourceIp !== undefined && { sourceIp }),
  };
}

function headersOf(incoming: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
}

async function send(outgoing: ServerResponse, response: ApiResponse, signal: AbortSignal): Promise<void> {
  const { status, headers, body } = response;
  if (body instanceof Uint8Array) {
    outgoing.writeHead(status, { ...copy(headers), ...(status !== 304 && { "content-length": String(body.length) }) });
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(status, copy(headers));
  // A watch may have nothing to say for long: the client learns now that it stands.
  outgoing.flushHeaders();
  for await (const chunk of body) {
    if (signal.aborted) break;
    if (!outgoing.write(chunk)) await drained(outgoing, signal);
  }
  outgoing.end();
}

function copy(headers: ApiResponse["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}

async function drained(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await once(outgoing, "drain", { signal });
  } catch {
    // The client went away; the loop sees it.
  }
}

async function upgrade(
  server: ApiServer,
  options: HttpsOptions,
  {
    incoming,
    socket,
    head,
    sockets,
  }: { incoming: IncomingMessage; socket: Duplex; head: Buffer; sockets: WebSocketServer },
): Promise<void> {
  const gone = new AbortController();
  socket.on("error", () => gone.abort());
  socket.on("close", () => gone.abort());
  try {
    const request = toRequest(incoming, gone.signal);
    const user = await authenticated(server, options, incoming);
    if (user === undefined) throw server.unauthenticated(request);
    const serveConnection = await server.connect({ ...request, user });
    sockets.handleUpgrade(incoming, socket, head, (client) => {
      const stream = toByteStream(client);
      serveConnection(stream).then(
        () => client.close(1000),
        (error: unknown) => client.close(1011, reasonOf(error)),
      );
    });
  } catch (error) {
    const status = error instanceof StatusError ? error : new StatusError("InternalError", "Internal error occurred");
    refuse(socket, status);
  }
}

/** A close reason has at most 123 bytes. */
function reasonOf(error: unknown): string {
  return Buffer.from(error instanceof Error ? error.message : String(error))
    .subarray(0, 120)
    .toString()
    .replace(/�$/, "");
}

function refuse(socket: Duplex, status: StatusError): void {
  const body = JSON.stringify(status.toStatus());
  socket.end(
    `HTTP/1.1 ${status.code} ${status.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
