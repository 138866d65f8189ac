// From nothing to a session on which calls work: dial, authenticate, agree on keepalive, open the hypervisor connection.

import { DriverFeature } from "../constants/connect.ts";
import { LibvirtError } from "../errors/libvirt-error.ts";
import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import type { Message } from "../framing/message.ts";
import { authList, authPolkit, connectOpen, connectSupportsFeature } from "../protocol/connect.ts";
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
  /**
   * Whether the daemon, too, may ping us and drop us when we do not answer. Not for connections of streams: they are
   * not read while their consumer is slow.
   */
  readonly isPingedByDaemon: boolean;
  readonly onEvent?: (message: Message) => void;
}

const AuthType = { NONE: 0, SASL: 1, POLKIT: 2 } as const;

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
      await authenticate(session, signal);
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

async function authenticate(session: Session, signal: AbortSignal): Promise<void> {
  const { types } = await session.call(authList, {}, { signal });
  if (types.length === 0 || types.includes(AuthType.NONE)) return;
  if (types.includes(AuthType.POLKIT)) {
    await session.call(authPolkit, {}, { signal });
    return;
  }
  throw new LibvirtError({
    code: "AUTH_UNAVAILABLE",
    number: 94,
    domain: "AUTH",
    message: `Cannot log in to libvirt: it offers authentication types ${types.join(", ")}, expected none (0) or polkit (2)`,
  });
}
