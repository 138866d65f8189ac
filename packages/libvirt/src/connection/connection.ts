// Keeps one session open, for ever:
//
//   connecting ──► connected ──lost──► disconnected ──back-off, try──► connected …
//        └──failed──► disconnected                        any ──close──► closed

import { setTimeout as delay } from "node:timers/promises";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import type { CallOptions } from "../session/call-options.ts";
import type { Session } from "../session/session.ts";
import { Backoff } from "./backoff.ts";
import type { BackoffOptions } from "./backoff.ts";
import type { LibvirtLogger } from "./logger.ts";

export type ConnectionState = "connecting" | "connected" | "disconnected" | "closed";

export type StateEvent =
  | { readonly kind: "connected" }
  /** Told once per loss, not per failed try. Reconnecting goes on by itself. */
  | { readonly kind: "disconnected"; readonly error: Error };

export interface ConnectionOptions {
  readonly address: string;
  /** Gives a session that is ready for calls and events. */
  readonly open: (signal: AbortSignal) => Promise<Session>;
  readonly backoff: BackoffOptions;
  readonly logger: LibvirtLogger;
  readonly onState: (event: StateEvent) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  #state: ConnectionState = "connecting";
  #session: Session | undefined;
  #lastError: Error | undefined;
  #stateChange = Promise.withResolvers<void>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
    void this.#run();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The live session; throws LibvirtConnectionError when there is none. */
  get session(): Session {
    if (this.#session === undefined) throw this.#notConnected();
    return this.#session;
  }

  /** Waits until calls can be made. */
  async ready(options: CallOptions = {}): Promise<void> {
    const { signal, timeoutMs } = options;
    const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    while (this.#state !== "connected") {
      if (this.#state === "closed") throw this.#notConnected();
      signal?.throwIfAborted();
      if (deadline?.aborted === true) {
        throw new LibvirtTimeoutError(
          `connect to ${this.#options.address}`,
          timeoutMs ?? 0,
          this.#lastError === undefined ? {} : { detail: this.#lastError.message, cause: this.#lastError },
        );
      }
      await changeOrAbort(this.#stateChange.promise, [signal, deadline]);
    }
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#session?.close();
    this.#session = undefined;
    this.#closing.abort(this.#notConnected());
    this.#setState("closed");
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#connectOnce(signal);
      if (!signal.aborted) await delay(this.#backoff.next(), undefined, { signal }).catch(() => {});
    }
  }

  /** From a try to its failure, or to the end of the session that it made. */
  async #connectOnce(signal: AbortSignal): Promise<void> {
    const { open, address, logger } = this.#options;
    let session: Session;
    try {
      session = await open(signal);
    } catch (error) {
      if (!signal.aborted) this.#disconnected(error as Error);
      return;
    }
    if (signal.aborted) {
      session.close();
      return;
    }
    if (session.lost === undefined) {
      this.#session = session;
      this.#lastError = undefined;
      this.#setState("connected");
      logger.info({ address }, "connected to libvirt");
      this.#options.onState({ kind: "connected" });
    }
    const connectedAt = performance.now();
    const error = await new Promise<LibvirtConnectionError>((resolve) => {
      session.onLost((lost) => {
        this.#session = undefined;
        resolve(lost);
      });
    });
    // A daemon that accepts and drops at once must not be dialled in a tight loop.
    if (performance.now() - connectedAt > this.#options.backoff.maxMs) this.#backoff.reset();
    if (!signal.aborted) this.#disconnected(error);
  }

  #disconnected(error: Error): void {
    const isNew = this.#state !== "disconnected";
    this.#session = undefined;
    this.#lastError = error;
    this.#setState("disconnected");
    const { address, logger } = this.#options;
    if (!isNew) {
      logger.debug({ address, err: error }, "libvirt is still out of reach");
      return;
    }
    logger.warn({ address, err: error }, "no connection to libvirt; trying again in the background");
    this.#options.onState({ kind: "disconnected", error });
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#stateChange.resolve();
    this.#stateChange = Promise.withResolvers<void>();
  }

  #notConnected(): LibvirtConnectionError {
    const { address } = this.#options;
    if (this.#state === "closed") return new LibvirtConnectionError(`Not connected to libvirt at ${address}: closed`);
    const why = this.#lastError === undefined ? "still connecting" : this.#lastError.message;
    return new LibvirtConnectionError(
      `Not connected to libvirt at ${address}: ${why}`,
      this.#lastError === undefined ? undefined : { cause: this.#lastError },
    );
  }
}

function changeOrAbort(change: Promise<void>, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      for (const signal of signals) signal?.removeEventListener("abort", end);
      resolve();
    };
    for (const signal of signals) signal?.addEventListener("abort", end, { once: true });
    void change.then(end);
  });
}
