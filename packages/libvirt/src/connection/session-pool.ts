// Sessions beside the main one, opened when first needed: one shared by slow calls, and one for each open stream, because
// a stream whose consumer is slow stops the reading of its socket.

import { LibvirtConnectionError } from "../errors/connection-error.ts";
import type { Session } from "../session/session.ts";

export interface SessionPoolOptions {
  readonly openSlow: (signal: AbortSignal) => Promise<Session>;
  readonly openForStream: (signal: AbortSignal) => Promise<Session>;
}

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #closing = new AbortController();
  readonly #leased = new Set<Session>();
  #slow: Promise<Session> | undefined;
  #idle: Session | undefined;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
  }

  /** The session of slow calls. `signal` ends the wait, not the opening: others may wait for it, too. */
  async slow(signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted();
    this.#slow ??= this.#openSlow();
    return orAbort(this.#slow, signal);
  }

  /** A session that is the caller's alone until it is released. */
  async lease(signal?: AbortSignal): Promise<Session> {
    const idle = this.#idle;
    this.#idle = undefined;
    const session =
      idle !== undefined && idle.lost === undefined
        ? idle
        : await this.#options.openForStream(
            signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]),
          );
    this.#leased.add(session);
    return session;
  }

  /** Gives a session back. Only one whose stream ended in good order can serve again. */
  release(session: Session, isReusable: boolean): void {
    this.#leased.delete(session);
    const isKept =
      isReusable && this.#idle === undefined && !this.#closing.signal.aborted && session.lost === undefined;
    if (isKept) this.#idle = session;
    else session.close();
  }

  close(): void {
    this.#closing.abort(new LibvirtConnectionError("Not connected to libvirt: closed"));
    this.#idle?.close();
    for (const session of this.#leased) session.close();
    this.#slow?.then(
      (session) => session.close(),
      () => {},
    );
  }

  async #openSlow(): Promise<Session> {
    try {
      const session = await this.#options.openSlow(this.#closing.signal);
      session.onLost(() => {
        this.#slow = undefined;
      });
      return session;
    } catch (error) {
      this.#slow = undefined;
      throw error;
    }
  }
}

function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
