// Logs in on a new connection in the way that the daemon asks for: not at all, by polkit, or by SASL with a name and a password.

import { authFailed, LibvirtError } from "../errors/libvirt-error.ts";
import { authList, authPolkit, authSaslInit, authSaslStart, authSaslStep } from "../protocol/connect.ts";
import type { Session } from "../session/session.ts";
import { plain } from "./sasl-mechanism.ts";
import type { SaslCredentials, SaslMechanism } from "./sasl-mechanism.ts";
import { scram } from "./scram.ts";

export interface AuthenticateOptions {
  readonly signal: AbortSignal;
  /** Nobody can read along: a password may be sent. */
  readonly isPrivate: boolean;
  readonly credentials?: SaslCredentials;
}

const AuthType = { NONE: 0, SASL: 1, POLKIT: 2 } as const;

/** Best first. */
const mechanisms: readonly SaslMechanism[] = [
  scram({ name: "SCRAM-SHA-512", hash: "sha512" }),
  scram({ name: "SCRAM-SHA-256", hash: "sha256" }),
  scram({ name: "SCRAM-SHA-1", hash: "sha1" }),
  plain,
];

export async function authenticate(session: Session, options: AuthenticateOptions): Promise<void> {
  const { signal } = options;
  const { types } = await session.call(authList, {}, { signal });
  if (types.length === 0 || types.includes(AuthType.NONE)) return;
  if (types.includes(AuthType.POLKIT)) {
    await session.call(authPolkit, {}, { signal });
    return;
  }
  if (!types.includes(AuthType.SASL)) {
    throw unavailable(`it offers authentication types ${types.join(", ")}, expected none (0), SASL (1) or polkit (2)`);
  }
  await authenticateBySasl(session, options);
}

async function authenticateBySasl(session: Session, options: AuthenticateOptions): Promise<void> {
  const { signal, credentials } = options;
  if (credentials === undefined) throw unavailable("it wants a name and a password (SASL), and none were given");
  const { mechanisms: list } = await session.call(authSaslInit, {}, { signal });
  const mechanism = chooseMechanism(list, options.isPrivate);
  const exchange = mechanism.start(credentials);
  const start = { mechanism: mechanism.name, isNull: false, data: exchange.initial };
  let answer = await session.call(authSaslStart, start, { signal });
  while (!answer.isComplete || !exchange.isComplete) {
    // A server may call itself done before it has proved that it knows the password; then its proof comes here.
    const data = exchange.respond(answer.data);
    if (answer.isComplete) {
      if (!exchange.isComplete) throw authFailed("the server ended before it proved itself");
      return;
    }
    answer = await session.call(authSaslStep, { isNull: false, data }, { signal });
  }
}

function chooseMechanism(list: string, isPrivate: boolean): SaslMechanism {
  const offered = list.split(/[\s,]+/);
  // Without TLS, libvirt wants what SASL itself encrypts, which none of ours does; and a password must not be sent.
  const chosen = isPrivate ? mechanisms.find((mechanism) => offered.includes(mechanism.name)) : undefined;
  if (chosen !== undefined) return chosen;
  const ours = mechanisms.map((mechanism) => mechanism.name).join(", ");
  throw unavailable(
    isPrivate
      ? `it offers the SASL mechanisms ${list}, of which none is supported, expected ${ours}`
      : `it offers the SASL mechanisms ${list} over a connection in the clear, which is not supported, expected TLS`,
  );
}

function unavailable(found: string): LibvirtError {
  return new LibvirtError({
    code: "AUTH_UNAVAILABLE",
    number: 94,
    domain: "AUTH",
    message: `Cannot log in to libvirt: ${found}`,
  });
}
