// Calls to an etcd cluster: one gRPC channel for each endpoint, one of them in use, the next one when that fails. A write is sent
// once, on a connection that is known to be up, so that a failure before it is "nothing was written" and one after it is "uncertain".

import {
  Client,
  credentials,
  Metadata,
  connectivityState,
  status,
  type ChannelOptions,
  type ServiceError,
} from "@grpc/grpc-js";
import { setTimeout as delay } from "node:timers/promises";
import { StoreError } from "../store-error.ts";
import { closedError } from "../watch-hub.ts";
import {
  decodeAlarms,
  decodeAuthenticate,
  decodeRange,
  decodeTxn,
  decodeWatch,
  encodeAuthenticate,
  encodeCompact,
  encodeGetAlarms,
  encodeRange,
  encodeTxn,
  encodeWatch,
  ignoreResponse,
  noSpaceAlarm,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
  type WatchRequest,
  type WatchResponse,
} from "./messages.ts";

export interface EtcdConnection {
  /** `https://host:2379` or `http://host:2379`; all of one cluster. */
  readonly endpoints: readonly string[];
  /** PEM. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly user?: { readonly name: string; readonly password: string };
  /** Longest time for one call, connecting included. Default 10 s. */
  readonly requestTimeoutMs?: number;
}

export interface WatchStream extends AsyncIterable<WatchResponse> {
  cancel(): void;
}

interface Method<Request, Response> {
  readonly path: string;
  readonly isWrite: boolean;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

const rangeMethod: Method<RangeRequest, RangeResponse> = {
  path: "/etcdserverpb.KV/Range",
  isWrite: false,
  encode: encodeRange,
  decode: decodeRange,
};
const txnMethod: Method<TxnRequest, TxnResponse> = {
  path: "/etcdserverpb.KV/Txn",
  isWrite: true,
  encode: encodeTxn,
  decode: decodeTxn,
};
const compactMethod: Method<number, void> = {
  path: "/etcdserverpb.KV/Compact",
  // Compacting once more changes nothing.
  isWrite: false,
  encode: encodeCompact,
  decode: ignoreResponse,
};
const authenticateMethod = {
  path: "/etcdserverpb.Auth/Authenticate",
  isWrite: false,
  encode: encodeAuthenticate,
  decode: decodeAuthenticate,
};
const alarmMethod = {
  path: "/etcdserverpb.Maintenance/Alarm",
  isWrite: false,
  encode: encodeGetAlarms,
  decode: decodeAlarms,
};
const watchPath = "/etcdserverpb.Watch/Watch";

const defaultRequestTimeoutMs = 10_000;
/** etcd's `--max-request-bytes` when nobody changed it. */
const defaultMaxRequestBytes = 1.5 * 1024 * 1024;
const connectTimeoutMs = 3_000;
const retryAfterMs = 100;

/** The connection is asked whether it lives when it was silent for ten seconds; etcd takes more than one ping in five amiss. */
const channelOptions: ChannelOptions = {
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
};

export class EtcdClient {
  readonly #channels: readonly Client[];
  readonly #endpoints: readonly string[];
  readonly #user: EtcdConnection["user"];
  readonly #timeoutMs: number;
  #current = 0;
  #token: Promise<string> | undefined;
  #isClosed = false;

  constructor(options: EtcdConnection) {
    if (options.endpoints.length === 0) throw new StoreError("unavailable", "Cannot reach etcd: no endpoint was given");
    this.#endpoints = options.endpoints;
    this.#channels = options.endpoints.map((endpoint) => openChannel(endpoint, options.tls));
    this.#user = options.user;
    this.#timeoutMs = options.requestTimeoutMs ?? defaultRequestTimeoutMs;
  }

  range(request: RangeRequest): Promise<RangeResponse> {
    return this.#call(rangeMethod, request);
  }

  txn(request: TxnRequest): Promise<TxnResponse> {
    return this.#call(txnMethod, request);
  }

  async compact(revision: number): Promise<void> {
    await this.#call(compactMethod, revision);
  }

  /** One watch on a stream of its own. It ends with an error when the connection or the member is lost. */
  async watch(request: WatchRequest): Promise<WatchStream> {
    const channel = await this.#ready(Date.now() + this.#timeoutMs);
    const metadata = await this.#metadata(channel);
    // A member that is cut off from its cluster must not go on serving the watch as if nothing were happening.
    metadata.set("hasleader", "true");
    const call = channel.makeBidiStreamRequest(watchPath, encodeWatch, decodeWatch, metadata);
    call.write(request);
    // Told to whoever iterates; without a listener an error after that would end the process.
    call.on("error", () => undefined);
    return {
      cancel: () => call.cancel(),
      [Symbol.asyncIterator]: () => call[Symbol.asyncIterator]() as AsyncIterator<WatchResponse>,
    };
  }

  /** What to do after a call or a watch failed on the endpoint in use. */
  useNextEndpoint(): void {
    this.#current = (this.#current + 1) % this.#channels.length;
    this.#token = undefined;
  }

  close(): void {
    this.#isClosed = true;
    for (const channel of this.#channels) channel.close();
  }

  async #call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const deadline = Date.now() + this.#timeoutMs;
    let hasNewToken = false;
    for (;;) {
      if (this.#isClosed) throw closedError();
      const channel = await this.#ready(deadline);
      try {
        const metadata = await this.#metadata(channel);
        return await unary(channel, { method, request, metadata, deadline });
      } catch (error) {
        if (!isServiceError(error)) throw error;
        if (this.#isClosed) throw closedError();
        // Refused before anything was done. A token ends with its time or with the member that gave it.
        if (this.#user !== undefined && !hasNewToken && isTokenRefused(error)) {
          this.#token = undefined;
          hasNewToken = true;
          continue;
        }
        const mayRetry = error.code === status.UNAVAILABLE && !method.isWrite && Date.now() + retryAfterMs < deadline;
        if (error.code === status.UNAVAILABLE) this.useNextEndpoint();
        const sizeBytes = method.encode(request).length;
        if (!mayRetry) throw await this.#toStoreError(error, { method, channel, sizeBytes });
        await delay(retryAfterMs);
      }
    }
  }

  /** A channel whose connection is up. */
  async #ready(deadline: number): Promise<Client> {
    for (let attempt = 1; ; attempt++) {
      if (this.#isClosed) throw closedError();
      const channel = this.#channels[this.#current];
      if (channel === undefined) throw new RangeError(`no endpoint ${this.#current}`);
      if (channel.getChannel().getConnectivityState(true) === connectivityState.READY) return channel;
      const by = Math.min(deadline, Date.now() + connectTimeoutMs);
      const failure = await new Promise<Error | undefined>((resolve) => channel.waitForReady(by, resolve));
      if (failure === undefined) return channel;
      if (this.#isClosed) throw closedError();
      if (Date.now() >= deadline) {
        const tried = this.#endpoints.slice(0, attempt).join(", ");
        throw new StoreError("unavailable", `Cannot reach etcd: no connection to ${tried}`, { cause: failure });
      }
      this.useNextEndpoint();
    }
  }

  async #metadata(channel: Client): Promise<Metadata> {
    const metadata = new Metadata();
    if (this.#user === undefined) return metadata;
    this.#token ??= this.#authenticate(channel, this.#user);
    try {
      metadata.set("token", await this.#token);
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
    return metadata;
  }

  #authenticate(channel: Client, user: NonNullable<EtcdConnection["user"]>): Promise<string> {
    const deadline = Date.now() + this.#timeoutMs;
    return unary(channel, { method: authenticateMethod, request: user, metadata: new Metadata(), deadline });
  }

  async #toStoreError<Request, Response>(
    error: ServiceError,
    options: { readonly method: Method<Request, Response>; readonly channel: Client; readonly sizeBytes: number },
  ): Promise<Error> {
    const { method, channel, sizeBytes } = options;
    const action = method.isWrite ? "write to etcd" : "read etcd";
    const message = `Cannot ${action}: ${error.details}`;
    switch (error.code) {
      case status.OUT_OF_RANGE:
        // Compacted or not reached yet: the store knows what it asked for.
        return error;
      case status.RESOURCE_EXHAUSTED:
        // Three things have this code: a message larger than the server takes, a full database, and too many requests.
        if (sizeBytes > defaultMaxRequestBytes) return new StoreError("too-large", message, { cause: error });
        return new StoreError((await this.#hasSpace(channel)) ? "unavailable" : "full", message, { cause: error });
      case status.INVALID_ARGUMENT:
        return new StoreError(method.isWrite ? "too-large" : "unavailable", message, { cause: error });
      case status.PERMISSION_DENIED:
      case status.UNAUTHENTICATED:
      case status.FAILED_PRECONDITION:
      case status.UNIMPLEMENTED:
        return new StoreError("unavailable", message, { cause: error });
      default:
        return new StoreError(method.isWrite ? "uncertain" : "unavailable", message, { cause: error });
    }
  }

  async #hasSpace(channel: Client): Promise<boolean> {
    try {
      const request = { method: alarmMethod, request: undefined, metadata: await this.#metadata(channel) };
      const alarms = await unary(channel, { ...request, deadline: Date.now() + this.#timeoutMs });
      return !alarms.some((alarm) => alarm.type === noSpaceAlarm);
    } catch {
      // Not known: then it is no more than unavailable.
      return true;
    }
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

/** The revision asked for is compacted, or not reached yet. */
export function isOutOfRange(error: unknown): boolean {
  return isServiceError(error) && error.code === status.OUT_OF_RANGE;
}

/** etcd has two codes for it: a token that it does not know, and one from before its users were changed. */
function isTokenRefused(error: ServiceError): boolean {
  return error.code === status.UNAUTHENTICATED || error.code === status.INVALID_ARGUMENT;
}

function openChannel(endpoint: string, tls: EtcdConnection["tls"]): Client {
  const url = URL.parse(endpoint);
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.pathname !== "/" || url.search !== "")
    throw new StoreError(
      "unavailable",
      `Cannot reach etcd: the endpoint is ${JSON.stringify(endpoint)}, expected https://HOST:PORT or http://HOST:PORT`,
    );
  const address = `${url.hostname}:${url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port}`;
  const buffer = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  const secrets =
    url.protocol === "https:"
      ? credentials.createSsl(buffer(tls?.ca), buffer(tls?.key), buffer(tls?.cert))
      : credentials.createInsecure();
  return new Client(address, secrets, channelOptions);
}

function unary<Request, Response>(
  channel: Client,
  call: {
    readonly method: Method<Request, Response>;
    readonly request: Request;
    readonly metadata: Metadata;
    readonly deadline: number;
  },
): Promise<Response> {
  const { method, request, metadata, deadline } = call;
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest(
      method.path,
      method.encode,
      method.decode,
      request,
      metadata,
      { deadline },
      // Without an error there is a value; that of a method without one is undefined.
      (error, value) => (error === null ? resolve(value as Response) : reject(error)),
    );
  });
}
