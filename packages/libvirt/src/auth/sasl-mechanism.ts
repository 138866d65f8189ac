// One way of proving who we are, by SASL (RFC 4422): what we say first, and what we answer.

export interface SaslCredentials {
  readonly username: string;
  readonly password: string;
}

export interface SaslExchange {
  /** Sent with the name of the mechanism. */
  readonly initial: Buffer;
  /** Our answer to what the server says; throws when the server does not prove itself. */
  respond(challenge: Buffer): Buffer;
  /** Whether the server has proved all that it must. */
  readonly isComplete: boolean;
}

export interface SaslMechanism {
  readonly name: string;
  start(credentials: SaslCredentials): SaslExchange;
}

/** RFC 4616: the password as it is; only where nobody can read along. */
export const plain: SaslMechanism = {
  name: "PLAIN",
  start: ({ username, password }) => ({
    initial: Buffer.from(`\0${username}\0${password}`, "utf8"),
    respond: () => Buffer.alloc(0),
    isComplete: true,
  }),
};
