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
import { respondError } from "../output/respond.ts";
import { certificateOf } from "./client-certificate.ts";
import { CallerSignal } from "./caller-signal.ts";
import { networkRequest } from "./network-request.ts";
import { readBody } from "./read-body.ts";
import { sendResponse } from "./send-response.ts";
import { toByteStream } from "./socket-stream.ts";

export interface HttpsOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** Signs client certificates; without it none is asked for. */
  readonly ca?: string | Buffer;
  /** A client that does not read what it was sent for so long is disconnected. Default one minute. */
  readonly stallMs?: number;
  /** Called once, when so many requests are open that the server is anything but idle. */
  onBusy?(): void;
  /** Undefined: the request is refused with 401. Absent: the server's own authentication. */
  authenticate?(credentials: Credentials): UserInfo | undefined | Promise<UserInfo | undefined>;
}

export interface HttpsListener {
  readonly host: string;
  readonly port: number;
  /** How many are open. */
  connections(): Promise<number>;
  /** Stops listening and ends open connections. Close the ApiServer first, so that watches end cleanly. */
  close(): Promise<void>;
}

const closeTimeoutMs = 2_000;
const busyRequests = 32;
const maxSocketPayloadBytes = 1024 * 1024;
const defaultStallMs = 60_000;
/** Of a WebSocket's URL: what clients show who cannot send headers with it. */
const tokenParameter = "token";

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
  const unsent = new Set<ServerResponse>();
  let isBusy = false;
  https.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const caller = new CallerSignal();
    unsent.add(outgoing);
    if (!isBusy && unsent.size >= busyRequests) {
      isBusy = true;
      options.onBusy?.();
    }
    outgoing.on("close", () => {
      unsent.delete(outgoing);
      if (!outgoing.writableFinished) caller.leave();
    });
    outgoing.on("error", () => caller.leave());
    void serve(server, options, { incoming, outgoing, caller });
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
    connections: () =>
      new Promise((resolve, reject) => {
        https.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      }),
    async close() {
      const closed = once(https, "close");
      for (const client of sockets.clients) client.close(1001, "the server is closing");
      // Streams that their readers do not drain would hold the server for ever.
      const late = AbortSignal.timeout(closeTimeoutMs);
      // To Node a connection is idle when its answer was ended, sent or not: closing now would cut watches off.
      await allSent(unsent, late);
      https.close();
      const force = (): void => {
        https.closeAllConnections();
        for (const client of sockets.clients) client.terminate();
      };
      if (late.aborted) force();
      else late.addEventListener("abort", force, { once: true });
      await closed;
      late.removeEventListener("abort", force);
    },
  };
}

async function allSent(unsent: ReadonlySet<ServerResponse>, late: AbortSignal): Promise<void> {
  for (const outgoing of unsent) {
    if (late.aborted) return;
    await once(outgoing, "close", { signal: late }).catch(() => undefined);
  }
}

async function serve(
  server: ApiServer,
  options: HttpsOptions,
  {
    incoming,
    outgoing,
    caller,
  }: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse; readonly caller: CallerSignal },
): Promise<void> {
  const turn: Turn = { release: () => undefined };
  try {
    const response = await answer(server, options, { incoming, caller, turn });
    if (isWatch(incoming)) turn.release();
    await sendResponse(outgoing, response, { stallMs: options.stallMs ?? defaultStallMs });
  } catch {
    // The answer itself failed half-way: all that is left is to end it, so that the client does not wait.
    outgoing.destroy();
  } finally {
    turn.release();
  }
}

/** The turn that a request has; a watch gives it back when it stands. */
interface Turn {
  release: () => void;
}

async function answer(
  server: ApiServer,
  options: HttpsOptions,
  {
    incoming,
    caller,
    turn,
  }: { readonly incoming: IncomingMessage; readonly caller: CallerSignal; readonly turn: Turn },
): Promise<ApiResponse> {
  try {
    const request = networkRequest(incoming, caller);
    const user = await authenticated(server, options, { incoming, headers: request.headers });
    if (user === undefined) throw server.unauthenticated(request);
    request.user = user;
    // Before the body is read: what waits for a turn costs no memory.
    const admitted = server.admit(user, request.path, () => caller.signal);
    turn.release = admitted instanceof Promise ? await admitted : admitted;
    const body = readBody(incoming);
    request.body = body instanceof Promise ? await body : body;
    return await server.handle(request);
  } catch (error) {
    if (error instanceof StatusError) return respondError(error);
    throw error;
  }
}

function isWatch({ url = "" }: IncomingMessage): boolean {
  return /[?&]watch=(true|1)(&|$)/.test(url);
}

async function authenticated(
  server: ApiServer,
  options: HttpsOptions,
  { incoming, headers }: { readonly incoming: IncomingMessage; readonly headers: ApiRequest["headers"] },
): Promise<UserInfo | undefined> {
  const certificate = options.ca === undefined ? undefined : certificateOf(incoming.socket as TLSSocket);
  const credentials = { headers, ...(certificate !== undefined && { certificate }) };
  return options.authenticate === undefined ? server.authenticate(credentials) : options.authenticate(credentials);
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
  const caller = new CallerSignal();
  socket.on("error", () => caller.leave());
  socket.on("close", () => caller.leave());
  try {
    const request = networkRequest(incoming, caller);
    const token = request.query.get(tokenParameter);
    // From here on nobody sees it, the audit log above all.
    request.query.delete(tokenParameter);
    const user =
      token === null
        ? await authenticated(server, options, { incoming, headers: request.headers })
        : await server.redeemToken(token, request.path);
    if (user === undefined) throw server.unauthenticated(request);
    request.user = user;
    const serveConnection = await server.connect(request);
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
    .replace(/\ufffd$/, "");
}

function refuse(socket: Duplex, status: StatusError): void {
  const body = JSON.stringify(status.toStatus());
  socket.end(
    `HTTP/1.1 ${status.code} ${status.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
