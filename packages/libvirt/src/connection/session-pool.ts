// Sessions beside the main one, opened when first needed: one for each lane of calls that may take long, and one for each
// open stream, because a stream whose consumer is slow stops the reading of its socket.

import { LibvirtConnectionError } from "../errors/connection-error.ts";
import type { Lane } from "../protocol/procedure.ts";
import type { Session } from "../session/session.ts";

export type LongLane = Exclude<Lane, "short">;

export interface SessionPoolOptions {
  readonly openForLane: (signal: AbortSignal, maxInFlight: number) => Promise<Session>;
  readonly openForStream: (signal: AbortSignal) => Promise<Session>;
}

/**
 * Calls in flight of each lane. Together they stay below the 20 workers that a daemon has by default (max_workers), so
 * that a short call finds a free one even when every other call hangs.
 */
const laneMaxInFlight: Readonly<Record<LongLane, number>> = { query: 4, slow: 4, copy: 3, agent: 4 };

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #closing = new AbortController();
  readonly #leased = new Set<Session>();
  readonly #lanes = new Map<LongLane, Promise<Session>>();
  #idle: Session | undefined;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
  }

  /** The session of a lane. `signal` ends the wait, not the opening: others may wait for it, too. */
  async ofLane(lane: LongLane, signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted();
    let session = this.#lanes.get(lane);
    if (session === undefined) {
      session = this.#openForLane(lane);
      this.#lanes.set(lane, session);
    }
    return orAbort(session, signal);
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

  /**
   * Gives a session back. Only one whose stream ended in good order can serve again: libvirtd 9.0.0 was seen to close
   * a connection after the failure of an upload.
   */
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
    for (const opening of this.#lanes.values()) {
      opening.then(
        (session) => session.close(),
        () => {},
      );
    }
  }

  async #openForLane(lane: LongLane): Promise<Session> {
    try {
      const session = await this.#options.openForLane(this.#closing.signal, laneMaxInFlight[lane]);
      session.onLost(() => this.#lanes.delete(lane));
      return session;
    } catch (error) {
      this.#lanes.delete(lane);
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
