// From nothing to a session on which calls work: dial, authenticate, agree on keepalive, open the hypervisor connection.

import { authenticate } from "../auth/authenticate.ts";
import type { SaslCredentials } from "../auth/sasl-mechanism.ts";
import { DriverFeature } from "../constants/connect.ts";
import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import type { Message } from "../framing/message.ts";
import { connectOpen, connectSupportsFeature } from "../protocol/connect.ts";
import { Session } from "../session/session.ts";
import type { Dialer } from "../transport/dialer.ts";

export interface OpenSessionOptions {
  readonly dial: Dialer;
  readonly uri: string;
  readonly signal: AbortSignal;
  /** For dialling and opening together. */
  readonly openTimeoutMs: number;
  readonly defaultTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly maxInFlight?: number;
  readonly credentials?: SaslCredentials;
  /**
   * Whether the daemon, too, may ping us and drop us when we do not answer. Not for connections of streams: they are
   * not read while their consumer is slow.
   */
  readonly isPingedByDaemon: boolean;
  readonly onEvent?: (message: Message) => void;
}

export async function openSession(options: OpenSessionOptions): Promise<Session> {
  const { dial, openTimeoutMs } = options;
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(new LibvirtTimeoutError(`connect to ${dial.address}`, openTimeoutMs)),
    openTimeoutMs,
  );
  const signal = AbortSignal.any([options.signal, deadline.signal]);
  try {
    const session = new Session(await dial.dial({ signal }), {
      address: dial.address,
      defaultTimeoutMs: options.defaultTimeoutMs,
      keepaliveIntervalMs: options.keepaliveIntervalMs,
      ...(options.maxInFlight === undefined ? {} : { maxInFlight: options.maxInFlight }),
      ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
    });
    try {
      await authenticate(session, {
        signal,
        isPrivate: dial.isPrivate,
        ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
      });
      if (options.isPingedByDaemon) {
        // Asking is what starts it.
        await session.call(connectSupportsFeature, { feature: DriverFeature.PROGRAM_KEEPALIVE }, { signal });
      }
      await session.call(connectOpen, { name: options.uri, flags: 0 }, { signal });
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}
