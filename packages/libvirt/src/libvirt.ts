// The facade: one object for one hypervisor. Connects in the background, stays connected, has every call as a method.

import type { SaslCredentials } from "./auth/sasl-mechanism.ts";
import { Connection } from "./connection/connection.ts";
import type { ConnectionState, StateEvent } from "./connection/connection.ts";
import { silentLogger } from "./connection/logger.ts";
import type { LibvirtLogger } from "./connection/logger.ts";
import { openSession } from "./connection/open-session.ts";
import { SessionPool } from "./connection/session-pool.ts";
import { decodeEvent, Listeners, registerEvents } from "./events.ts";
import type { Message } from "./framing/message.ts";
import type { OpenedStream } from "./methods/caller.ts";
import { HostDeviceMethods } from "./methods/host-device-methods.ts";
import type { DomainEvent } from "./protocol/domain-event.ts";
import type { NetworkEvent, StoragePoolEvent } from "./protocol/object-event.ts";
import type { Procedure } from "./protocol/procedure.ts";
import type { CallOptions } from "./session/call-options.ts";
import type { Session } from "./session/session.ts";
import type { Dialer } from "./transport/dialer.ts";

export interface LibvirtOptions {
  readonly dial: Dialer;
  /** What the daemon opens, for example `qemu:///system`. */
  readonly uri: string;
  readonly logger?: LibvirtLogger;
  /** For a daemon that asks for SASL. The name of the URI's user when `username` is absent. */
  readonly credentials?: { readonly username?: string; readonly password: string };
  /** Of the URI, for `credentials`; see `parseUri`. */
  readonly username?: string;
  /** Waits between tries to connect; 100 ms doubling to 5 s when absent. */
  readonly reconnect?: { readonly initialMs: number; readonly maxMs: number };
  /** For calls without their own; 30 s when absent. Calls that work long (starting, copying) have ten times that. */
  readonly defaultTimeoutMs?: number;
  /** For dialling and opening one connection; 10 s when absent. */
  readonly openTimeoutMs?: number;
  /** Silence after which the daemon is pinged; 10 s when absent. It counts as dead after three times that. */
  readonly keepaliveIntervalMs?: number;
  /** From 0 up to 1, for the jitter of reconnects; Math.random when absent. */
  readonly random?: () => number;
}

export class Libvirt extends HostDeviceMethods implements Disposable {
  readonly #options: LibvirtOptions;
  readonly #connection: Connection;
  readonly #pool: SessionPool;
  readonly #stateListeners: Listeners<StateEvent>;
  readonly #domainListeners: Listeners<DomainEvent>;
  readonly #networkListeners: Listeners<NetworkEvent>;
  readonly #poolListeners: Listeners<StoragePoolEvent>;

  constructor(options: LibvirtOptions) {
    super();
    this.#options = options;
    const logger = options.logger ?? silentLogger;
    this.#stateListeners = new Listeners(logger);
    this.#domainListeners = new Listeners(logger);
    this.#networkListeners = new Listeners(logger);
    this.#poolListeners = new Listeners(logger);
    this.#pool = new SessionPool({
      openForLane: (signal, maxInFlight) => this.#open(signal, { isPingedByDaemon: true, maxInFlight }),
      openForStream: (signal) => this.#open(signal, { isPingedByDaemon: false }),
    });
    this.#connection = new Connection({
      address: options.dial.address,
      open: (signal) => this.#openMain(signal),
      backoff: {
        ...(options.reconnect ?? { initialMs: 100, maxMs: 5000 }),
        ...(options.random === undefined ? {} : { random: options.random }),
      },
      logger,
      onState: (event) => this.#stateListeners.tell(event),
    });
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Tells of every connect and every loss from now on. Gives a function that ends it. */
  onState(listener: (event: StateEvent) => void): () => void {
    return this.#stateListeners.add(listener);
  }

  /**
   * Tells of everything that happens to any domain, from now on and across reconnects. What happened while the
   * connection was lost is not told: look again after each `connected`. Gives a function that ends it.
   */
  onDomainEvent(listener: (event: DomainEvent) => void): () => void {
    return this.#domainListeners.add(listener);
  }

  /** As `onDomainEvent`, of networks. */
  onNetworkEvent(listener: (event: NetworkEvent) => void): () => void {
    return this.#networkListeners.add(listener);
  }

  /** As `onDomainEvent`, of storage pools. */
  onStoragePoolEvent(listener: (event: StoragePoolEvent) => void): () => void {
    return this.#poolListeners.add(listener);
  }

  /** Waits until calls can be made; for ever without `timeoutMs`. */
  async ready(options?: CallOptions): Promise<void> {
    await this.#connection.ready(options);
  }

  /** Ends all connections; calls that wait fail with LibvirtConnectionError. */
  close(): void {
    this.#connection.close();
    this.#pool.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  protected override async call<A, R>(procedure: Procedure<A, R>, args: A, options?: CallOptions): Promise<R> {
    const main = this.#connection.session;
    const session = procedure.lane === "short" ? main : await this.#pool.ofLane(procedure.lane, options?.signal);
    return session.call(procedure, args, options);
  }

  protected override async openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options?: CallOptions,
  ): Promise<OpenedStream<R>> {
    // Fails here, with the reason, when there is no connection.
    void this.#connection.session;
    const session = await this.#pool.lease(options?.signal);
    try {
      const { stream, ret } = await session.openStream(procedure, args, options);
      return { stream, ret, release: (isClean) => this.#pool.release(session, isClean) };
    } catch (error) {
      this.#pool.release(session, false);
      throw error;
    }
  }

  async #openMain(signal: AbortSignal): Promise<Session> {
    const session = await this.#open(signal, {
      isPingedByDaemon: true,
      onEvent: (message) => this.#onEvent(message),
    });
    try {
      await registerEvents(session, signal);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  #open(
    signal: AbortSignal,
    how: {
      readonly isPingedByDaemon: boolean;
      readonly maxInFlight?: number;
      readonly onEvent?: (message: Message) => void;
    },
  ): Promise<Session> {
    return openSession({
      dial: this.#options.dial,
      uri: this.#options.uri,
      signal,
      openTimeoutMs: this.#options.openTimeoutMs ?? 10_000,
      defaultTimeoutMs: this.#options.defaultTimeoutMs ?? 30_000,
      keepaliveIntervalMs: this.#options.keepaliveIntervalMs ?? 10_000,
      ...credentialsOf(this.#options),
      ...how,
    });
  }

  #onEvent(message: Message): void {
    const told = decodeEvent(message);
    switch (told?.of) {
      case "domain":
        this.#domainListeners.tell(told.event);
        return;
      case "network":
        this.#networkListeners.tell(told.event);
        return;
      case "storage-pool":
        this.#poolListeners.tell(told.event);
        return;
      case undefined:
        return;
      default:
        told satisfies never;
    }
  }
}

function credentialsOf(options: LibvirtOptions): { readonly credentials?: SaslCredentials } {
  const { credentials } = options;
  const username = credentials?.username ?? options.username;
  if (credentials === undefined || username === undefined) return {};
  return { credentials: { username, password: credentials.password } };
}
